// Runs commands in turn, ROUNDS times each; says the median of user + system time and of peak memory of each.
//   spawn ROUNDS COMMAND [ARGUMENT...] [-- COMMAND [ARGUMENT...]]...
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

enum { COMMANDS = 16, WORDS = 64 };

static int rising(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  char *commands[COMMANDS][WORDS + 1] = {0};
  int rounds = argc > 2 ? atoi(argv[1]) : 0, count = 0, word = 0;
  for (int n = 2; n < argc; n++) {
    if (!strcmp(argv[n], "--")) count++, word = 0;
    else if (word < WORDS && count < COMMANDS) commands[count][word++] = argv[n];
  }
  count++;
  if (rounds < 1 || count > COMMANDS) return 2;
  double *times[COMMANDS], *memory[COMMANDS];
  for (int n = 0; n < count; n++) times[n] = calloc((size_t)rounds, sizeof(double)), memory[n] = calloc((size_t)rounds, sizeof(double));
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  for (int round = 0; round < rounds; round++)
    for (int n = 0; n < count; n++) {
      pid_t child;
      int status;
      struct rusage use;
      if (posix_spawnp(&child, commands[n][0], &quiet, NULL, commands[n], environ) || wait4(child, &status, 0, &use) < 0) return 1;
      if (status) return fprintf(stderr, "%s failed\n", commands[n][0]), 1;
      times[n][round] = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 + (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
      memory[n][round] = (double)use.ru_maxrss;
    }
  for (int n = 0; n < count; n++) {
    qsort(times[n], (size_t)rounds, sizeof(double), rising);
    qsort(memory[n], (size_t)rounds, sizeof(double), rising);
    const char *name = strrchr(commands[n][0], '/');
    printf("%s %.3f %.0f\n", name ? name + 1 : commands[n][0], times[n][rounds / 2], memory[n][rounds / 2]);
  }
}
