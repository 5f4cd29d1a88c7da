// Answers every DNS query over UDP with NOERROR and A 192.0.2.80, from the address that was asked. After SIGUSR1 it answers SERVFAIL,
// after SIGUSR2 NOERROR again.
//   answer PORT [COUNTER [ADDRESS]]   COUNTER: a file whose first 8 octets hold how many answers were sent, all the time; "-" for none
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t failing;

static void heed(int signal) { failing = signal == SIGUSR1; }

int main(int argc, char **argv) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1, room = 4 << 20;
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "0"))};
  if (argc > 3) inet_pton(AF_INET, argv[3], &any.sin_addr);
  signal(SIGUSR1, heed);
  signal(SIGUSR2, heed);
  setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  if (bind(fd, (struct sockaddr *)&any, sizeof any)) return 1;
  uint64_t own = 0, *count = &own;
  if (argc > 2 && strcmp(argv[2], "-")) {
    int file = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || ftruncate(file, sizeof own)) return 1;
    count = mmap(0, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (count == MAP_FAILED) return 1;
  }
  for (;;) {
    unsigned char octets[2048];
    char control[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct sockaddr_in peer;
    struct iovec data = {octets, 1024};
    struct msghdr message = {&peer, sizeof peer, &data, 1, control, sizeof control, 0};
    ssize_t got = recvmsg(fd, &message, 0);
    if (got < 17) continue;
    size_t end = 12;
    while (end < (size_t)got && octets[end]) end += octets[end] + 1u;
    end += 5;
    if (end > (size_t)got) continue;
    octets[2] |= 0x84;
    memcpy(octets + 6, "\0\1\0\0\0\0", 6);
    memcpy(octets + end, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x50", 16);
    data.iov_len = end + 16;
    if (failing) octets[3] = 2, octets[7] = 0, data.iov_len = end;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
      if (c->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(c);
        info->ipi_spec_dst = info->ipi_addr;
        info->ipi_ifindex = 0;
      }
    sendmsg(fd, &message, 0);
    ++*count;
  }
}
