/* The client and the services of tests/bench-failover.sh.
 *
 *   failover serve ADDRESS PORT ID    answers questions by UDP with its one-letter ID, also while the address is elsewhere
 *   failover ask ADDRESS PORT MS      asks by UDP and by ICMP every MS milliseconds until SIGTERM; one line for each answer:
 *                                     kind (u or p), time in microseconds of the monotonic clock, who answered
 *   failover now                      that time
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
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

static struct sockaddr_in to(const char *address, const char *port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
  inet_pton(AF_INET, address, &to.sin_addr);
  return to;
}

static int serve(struct sockaddr_in address, char id) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
  setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return fail("bind");
  char question[64];
  for (;;) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    if (recvfrom(fd, question, sizeof question, 0, (struct sockaddr *)&from, &length) < 0) continue;
    sendto(fd, &id, 1, 0, (struct sockaddr *)&from, length);
  }
}

static unsigned short sum(const unsigned short *words, size_t count) {
  unsigned total = 0;
  while (count--) total += *words++;
  total = (total >> 16) + (total & 0xffff);
  return ~(total + (total >> 16));
}

static int ask(struct sockaddr_in address, int every) {
  int udp = socket(AF_INET, SOCK_DGRAM, 0), icmp = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  if (icmp < 0) return fail("raw socket");
  if (connect(udp, (struct sockaddr *)&address, sizeof address) < 0) return fail("connect");
  struct icmphdr echo = {.type = ICMP_ECHO, .un.echo.id = htons(getpid() & 0xffff)};
  long long next = now();
  while (!over) {
    send(udp, "?", 1, MSG_DONTWAIT);
    echo.un.echo.sequence++, echo.checksum = 0;
    echo.checksum = sum((unsigned short *)&echo, sizeof echo / 2);
    sendto(icmp, &echo, sizeof echo, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof address);
    next += every * 1000LL;
    if (next < now()) next = now();
    for (long long left; (left = next - now()) > 0 && !over;) {
      struct pollfd ready[] = {{udp, POLLIN, 0}, {icmp, POLLIN, 0}};
      struct timespec wait = {left / 1000000, left % 1000000 * 1000};
      if (ppoll(ready, 2, &wait, NULL) <= 0) continue;
      char id;
      if (ready[0].revents && recv(udp, &id, 1, MSG_DONTWAIT) == 1) printf("u %lld %c\n", now(), id);
      unsigned char packet[128];
      ssize_t got = ready[1].revents ? recv(icmp, packet, sizeof packet, MSG_DONTWAIT) : -1;
      size_t header = got > 0 ? (packet[0] & 15) * 4 : 0;
      if (header && got >= (ssize_t)(header + sizeof echo)) {
        const struct icmphdr *reply = (const void *)(packet + header);
        if (reply->type == ICMP_ECHOREPLY && reply->un.echo.id == echo.un.echo.id) printf("p %lld -\n", now());
      }
    }
  }
  return fflush(stdout);
}

int main(int count, char **words) {
  signal(SIGTERM, end);
  if (count == 2 && !strcmp(words[1], "now")) return printf("%lld\n", now()) < 0;
  if (count == 5 && !strcmp(words[1], "serve")) return serve(to(words[2], words[3]), *words[4]);
  if (count == 5 && !strcmp(words[1], "ask")) return ask(to(words[2], words[3]), atoi(words[4]));
  fputs("failover serve ADDRESS PORT ID | ask ADDRESS PORT MS | now\n", stderr);
  return 2;
}
