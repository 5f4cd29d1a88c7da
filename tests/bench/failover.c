/* The client of tests/bench-failover.sh.
 *
 *   failover ask ADDRESS MS      asks the name server at ADDRESS for who.test A, pings ADDRESS, and listens for VRRP adverts,
 *                                every MS milliseconds until SIGTERM. One line for each thing that comes:
 *                                  d TIME N     an answer, and the last byte of the address in it: which server gave it
 *                                  p TIME -     an echo reply
 *                                  v TIME N     an advert from 10.9.8.N
 *                                Time in microseconds of the monotonic clock. At the end: asked and answered, by DNS and ping.
 *   failover kill SIGNAL PID...  sends SIGTERM or SIGKILL (TERM, KILL) and says when: that time, right before
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t over;

static void end(int signal) { (void)signal, over = 1; }

static long long now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1000000LL + at.tv_nsec / 1000;
}

static int fail(const char *what) { return perror(what), 1; }

static unsigned short sum(const unsigned short *words, size_t count) {
  unsigned total = 0;
  while (count--) total += *words++;
  total = (total >> 16) + (total & 0xffff);
  return ~(total + (total >> 16));
}

/* Id, flags (recursion desired), one question; who.test A IN. */
static unsigned char question[] = "\0\0\1\0\0\1\0\0\0\0\0\0\3who\4test\0\0\1\0\1";
enum { QUESTION = sizeof question - 1 };

/* The last byte of the address in an answer, or -1: it must repeat the question, be NOERROR and end in an address record. */
static int judge(const unsigned char *answer, ssize_t length, unsigned last) {
  unsigned id = length > 2 ? answer[0] << 8 | answer[1] : 0;
  if (length < QUESTION + 16 || !(answer[2] & 0x80) || answer[3] & 15 || (unsigned short)(last - id) > 1000) return -1;
  if (memcmp(answer + 12, question + 12, QUESTION - 12) || answer[7] != 1) return -1;
  const unsigned char *record = answer + QUESTION;
  return record[0] == 0xc0 && record[3] == 1 && record[11] == 4 && length >= QUESTION + 16 ? record[15] : -1;
}

static int ask(struct sockaddr_in address, int every) {
  int udp = socket(AF_INET, SOCK_DGRAM, 0), icmp = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  int adverts = socket(AF_INET, SOCK_RAW, 112);
  if (icmp < 0 || adverts < 0) return fail("raw socket");
  if (connect(udp, (struct sockaddr *)&address, sizeof address) < 0) return fail("connect");
  /* On the interface that has the client's own address, 10.9.8.3. */
  struct ip_mreqn group = {.imr_multiaddr.s_addr = htonl(0xe0000012), .imr_address.s_addr = htonl(0x0a090803)};
  if (setsockopt(adverts, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) < 0) return fail("joining 224.0.0.18");
  struct icmphdr echo = {.type = ICMP_ECHO, .un.echo.id = htons(getpid() & 0xffff)};
  long long next = now(), asked = 0, answered = 0, pinged = 0, echoed = 0;
  unsigned short id = 0;
  while (!over) {
    id++, question[0] = id >> 8, question[1] = id & 255;
    asked += send(udp, question, QUESTION, MSG_DONTWAIT) == QUESTION;
    echo.un.echo.sequence = htons(id), echo.checksum = 0;
    echo.checksum = sum((unsigned short *)&echo, sizeof echo / 2);
    pinged += sendto(icmp, &echo, sizeof echo, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof address) > 0;
    next += every * 1000LL;
    if (next < now()) next = now();
    for (long long left; (left = next - now()) > 0 && !over;) {
      struct pollfd ready[] = {{udp, POLLIN, 0}, {icmp, POLLIN, 0}, {adverts, POLLIN, 0}};
      struct timespec wait = {left / 1000000, left % 1000000 * 1000};
      if (ppoll(ready, 3, &wait, NULL) <= 0) continue;
      unsigned char packet[512];
      ssize_t got;
      if (ready[0].revents && (got = recv(udp, packet, sizeof packet, MSG_DONTWAIT)) > 0) {
        int who = judge(packet, got, id);
        if (who >= 0) answered++, printf("d %lld %d\n", now(), who);
      }
      if (ready[1].revents && (got = recv(icmp, packet, sizeof packet, MSG_DONTWAIT)) > 0) {
        size_t header = (packet[0] & 15) * 4;
        const struct icmphdr *reply = (const void *)(packet + header);
        int whole = got >= (ssize_t)(header + sizeof echo);
        if (whole && reply->type == ICMP_ECHOREPLY && reply->un.echo.id == echo.un.echo.id) echoed++, printf("p %lld -\n", now());
      }
      if (ready[2].revents && (got = recv(adverts, packet, sizeof packet, MSG_DONTWAIT)) >= 28 && packet[(packet[0] & 15) * 4 + 2])
        printf("v %lld %d\n", now(), packet[15]);
    }
  }
  printf("= %lld %lld %lld %lld\n", asked, answered, pinged, echoed);
  return fflush(stdout);
}

int main(int count, char **words) {
  signal(SIGTERM, end);
  if (count > 3 && !strcmp(words[1], "kill")) {
    long long at = now();
    for (char **pid = words + 3; *pid; pid++) kill(atoi(*pid), strcmp(words[2], "KILL") ? SIGTERM : SIGKILL);
    return printf("%lld\n", at) < 0;
  }
  if (count == 4 && !strcmp(words[1], "ask")) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53)};
    if (inet_pton(AF_INET, words[2], &address.sin_addr) != 1) return fputs("no IPv4 address\n", stderr), 2;
    return ask(address, atoi(words[3]));
  }
  fputs("failover ask ADDRESS MS | kill SIGNAL PID...\n", stderr);
  return 2;
}
