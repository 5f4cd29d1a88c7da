/* LD_PRELOAD library for user-mode Linux 6.1 on hosts whose vector state is larger than that kernel knows.
 *
 * UML 6.1 restores 2,696 bytes of vector state with PTRACE_SETREGSET(NT_X86_XSTATE). A host CPU with more (AMX: about
 * 11,000 bytes) refuses a shorter buffer, and the guest dies at init. This library completes the buffer to the size
 * that the host asks for, with the further components marked as not in use. Everything else passes through. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PEEK_FIRST = 1, PEEK_LAST = 3, GET_REGSET = 0x4204, SET_REGSET = 0x4205, NT_XSTATE = 0x202 };

/* Layout of the XSAVE area: the header with the bitmap of components in use begins at byte 512; the components that
 * a buffer can hold follow from its length (832: x87, SSE, AVX; 2,696: also AVX-512 and PKRU, which is bit 9). */
enum { HEADER = 512, UP_TO_AVX = 832, UP_TO_PKRU = 2696 };
static const uint64_t AVX_BITS = 0x7, PKRU_BITS = 0x2ff;

static unsigned char area[65536] __attribute__((aligned(64)));
static size_t host_size;

static long set_xstate(long pid, const struct iovec *given) {
  struct iovec whole = { area, sizeof area };
  if (host_size == 0) {
    if (syscall(SYS_ptrace, GET_REGSET, pid, NT_XSTATE, &whole) < 0)
      return -1;
    host_size = whole.iov_len;
  }
  if (given->iov_len >= host_size || given->iov_len < UP_TO_AVX)
    return syscall(SYS_ptrace, SET_REGSET, pid, NT_XSTATE, given);
  uint64_t in_use;
  memset(area, 0, host_size);
  memcpy(area, given->iov_base, given->iov_len);
  memcpy(&in_use, area + HEADER, sizeof in_use);
  in_use &= given->iov_len >= UP_TO_PKRU ? PKRU_BITS : AVX_BITS;
  memcpy(area + HEADER, &in_use, sizeof in_use);
  whole.iov_len = host_size;
  return syscall(SYS_ptrace, SET_REGSET, pid, NT_XSTATE, &whole);
}

long ptrace(int request, ...) {
  va_list arguments;
  va_start(arguments, request);
  long pid = va_arg(arguments, long);
  void *address = va_arg(arguments, void *), *data = va_arg(arguments, void *);
  va_end(arguments);
  if (request == SET_REGSET && (uintptr_t)address == NT_XSTATE)
    return set_xstate((int)pid, data);
  if (request >= PEEK_FIRST && request <= PEEK_LAST) { /* libc's wrapper returns the word itself */
    long word = 0;
    if (syscall(SYS_ptrace, request, pid, address, &word) < 0)
      return -1;
    errno = 0;
    return word;
  }
  return syscall(SYS_ptrace, request, pid, address, data);
}
