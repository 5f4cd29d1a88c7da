// Lets keepalived run its checkers on a kernel without IPVS: to be preloaded. Says yes to every request to the kernel's IPVS family and writes
// each with the moment on the monotonic clock to the file of IPVS_LOG: SECONDS COMMAND (IPVS_CMD_* of linux/ip_vs.h: 5 is a new destination,
// 6 a changed one, 7 one that is gone). keepalived asks only when something changes, so what its checks cost is untouched.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct nl_sock;
struct nl_msg;
extern struct nlmsghdr *nlmsg_hdr(struct nl_msg *);

enum { FAMILY = 0x7ffe };
static int pretended;
// What libnl would call when the kernel has done it (enum nl_cb_type).
enum { FINISH = 1, ACK = 4 };
typedef int (*Callback)(struct nl_msg *, void *);
static Callback on[5];
static void *args[5];
static const char *path;

// keepalived clears its environment.
__attribute__((constructor)) static void begin(void) {
  const char *name = getenv("IPVS_LOG");
  path = name ? strdup(name) : NULL;
}

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static int is_ours(struct nl_msg *message) {
  struct nlmsghdr *header = nlmsg_hdr(message);
  pretended = header->nlmsg_type == FAMILY;
  if (!pretended) return 0;
  int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
  if (fd >= 0) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char line[64];
    int length = snprintf(line, sizeof line, "%lld.%09ld %d\n", (long long)now.tv_sec, now.tv_nsec,
                          ((struct genlmsghdr *)(header + 1))->cmd);
    if (write(fd, line, (size_t)length) < 0) abort();
    close(fd);
  }
  return 1;
}

int genl_ctrl_resolve(struct nl_sock *sock, const char *name) {
  int (*next)(struct nl_sock *, const char *) = real("genl_ctrl_resolve");
  return strcmp(name, "IPVS") ? next(sock, name) : FAMILY;
}

int nl_send_auto(struct nl_sock *sock, struct nl_msg *message) {
  int (*next)(struct nl_sock *, struct nl_msg *) = real("nl_send_auto");
  return is_ours(message) ? 64 : next(sock, message);
}

int nl_socket_modify_cb(struct nl_sock *sock, int type, int kind, Callback call, void *arg) {
  int (*next)(struct nl_sock *, int, int, Callback, void *) = real("nl_socket_modify_cb");
  if (type == ACK || type == FINISH) on[type] = call, args[type] = arg;
  return next(sock, type, kind, call, arg);
}

int nl_recvmsgs_default(struct nl_sock *sock) {
  int (*next)(struct nl_sock *) = real("nl_recvmsgs_default");
  if (!pretended) return next(sock);
  if (on[FINISH]) on[FINISH](NULL, args[FINISH]);
  if (on[ACK]) on[ACK](NULL, args[ACK]);
  return 0;
}
