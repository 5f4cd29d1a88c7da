// Asks SERVERS addresses from 127.1.0.1 on, each once a second, for SECONDS: per probe a fresh connected socket, one send, one receive.
// Evenly spaced, each with a wake-up of its own; or, with BURST, that many at a time, of which the answers are read one millisecond later.
// Says CPU milliseconds per probe.
//   loop SERVERS SECONDS PORT [BURST]
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BURST_MAX = 1000 };

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int servers = atoi(argv[1]), probes = servers * atoi(argv[2]), failed = 0, burst = argc > 4 ? atoi(argv[4]) : 1, fds[BURST_MAX];
  if (burst < 1 || burst > BURST_MAX) return 2;
  unsigned char query[] = "\0\0\1\0\0\1\0\0\0\0\0\0\7resolve\4test\0\0\1\0\1", answer[4096];
  struct timespec due, gather = {0, 1000000};
  clock_gettime(CLOCK_MONOTONIC, &due);
  for (int n = 0; n < probes; n += burst) {
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    long long next = due.tv_nsec + 1000000000LL * burst / servers;
    due.tv_sec += next / 1000000000, due.tv_nsec = next % 1000000000;
    for (int i = 0; i < burst; i++) {
      struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[3]))};
      server.sin_addr.s_addr = htonl(0x7f010001u + (unsigned)((n + i) % servers));
      query[0] = (unsigned char)((n + i) >> 8), query[1] = (unsigned char)(n + i);
      fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
      failed += connect(fds[i], (struct sockaddr *)&server, sizeof server) || send(fds[i], query, sizeof query - 1, 0) < 0;
    }
    if (burst > 1) nanosleep(&gather, NULL);
    for (int i = 0; i < burst; i++) {
      struct pollfd wait = {.fd = fds[i], .events = POLLIN};
      // In a burst most answers are there: whoever need not wait does not ask.
      ssize_t got = burst > 1 ? recv(fds[i], answer, sizeof answer, MSG_DONTWAIT) : -1;
      if (got < 0 && poll(&wait, 1, 500) == 1) got = recv(fds[i], answer, sizeof answer, 0);
      failed += got < 12 || answer[0] != (unsigned char)((n + i) >> 8) || answer[1] != (unsigned char)(n + i);
      close(fds[i]);
    }
  }
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 + (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
  printf("%.4f\n", cpu / probes);
  return failed > probes / 100;
}
