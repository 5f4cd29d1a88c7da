// Asks SERVERS addresses from 127.1.0.1 on, each once a second and evenly spaced, for SECONDS: per probe a fresh connected
// socket, one send, one receive. Says CPU milliseconds per probe.
//   loop SERVERS SECONDS PORT
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int servers = atoi(argv[1]), probes = servers * atoi(argv[2]), failed = 0;
  unsigned char query[] = "\0\0\1\0\0\1\0\0\0\0\0\0\7resolve\4test\0\0\1\0\1", answer[4096];
  struct timespec due;
  clock_gettime(CLOCK_MONOTONIC, &due);
  for (int n = 0; n < probes; n++) {
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    due.tv_nsec += 1000000000 / servers;
    if (due.tv_nsec >= 1000000000) due.tv_nsec -= 1000000000, due.tv_sec++;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[3]))};
    server.sin_addr.s_addr = htonl(0x7f010001u + (unsigned)(n % servers));
    query[0] = (unsigned char)(n >> 8), query[1] = (unsigned char)n;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    failed += connect(fd, (struct sockaddr *)&server, sizeof server) || send(fd, query, sizeof query - 1, 0) < 0 ||
              poll(&wait, 1, 500) != 1 || recv(fd, answer, sizeof answer, 0) < 12 || memcmp(query, answer, 2);
    close(fd);
  }
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 + (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
  printf("%.4f\n", cpu / probes);
  return failed > probes / 100;
}
