// The reference for reserve(): the same system calls in the same order, in C. One mode per measurement, as in
// bench/reserve/ours.mjs; prints one line of JSON.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

#define WARM_UP 2000

static const int on = 1;
static const uint32_t whole_range = 1 | 65535u << 16;
static int with_range = 1;
static int with_spread = 0;

static void fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static struct sockaddr_in endpoint(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static void set(int fd, int level, int name, const void* value) {
  if (setsockopt(fd, level, name, value, 4) < 0) fail("setsockopt");
}

struct reservation {
  int fd;
  struct sockaddr_in local;
};

static struct reservation reserve(const struct sockaddr_in* remote) {
  static const struct sockaddr_in any_port = {.sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f};
  struct reservation made;
  struct tcp_info info;
  socklen_t info_size = offsetof(struct tcp_info, tcpi_segs_out) + sizeof(info.tcpi_segs_out);
  socklen_t local_size = sizeof(made.local);

  made.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (made.fd < 0) fail("socket");
  set(made.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on);
  if (with_range) set(made.fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &whole_range);
  set(made.fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on);
  set(made.fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &on);
  if (bind(made.fd, (const struct sockaddr*)&any_port, sizeof(any_port)) < 0) fail("bind");
  if (connect(made.fd, (const struct sockaddr*)remote, sizeof(*remote)) < 0) fail("connect");
  if (getsockopt(made.fd, IPPROTO_TCP, TCP_INFO, &info, &info_size) < 0) fail("getsockopt");
  if (info.tcpi_state != 2 /* SYN_SENT */ || info.tcpi_segs_out != 0) fail("not deferred");
  if (getsockname(made.fd, (struct sockaddr*)&made.local, &local_size) < 0) fail("getsockname");
  return made;
}

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void hold(struct reservation* held, int count, const struct sockaddr_in* remote) {
  struct sockaddr_in to = *remote;
  for (int i = 0; i < count; i++) {
    if (with_spread) to.sin_addr.s_addr = htonl(0x7f010000 + (uint32_t)i);
    held[i] = reserve(&to);
  }
}

static void release(const struct reservation* held, int count) {
  for (int i = 0; i < count; i++) close(held[i].fd);
}

static struct reservation* room(int count) {
  struct reservation* held = calloc((size_t)count + 1, sizeof(*held));
  if (held == NULL) fail("calloc");
  return held;
}

// Reserves `size` ports, releases them, and again.
static void cycle(int size, int batches) {
  struct reservation* held = room(size);
  const struct sockaddr_in remote = endpoint(9);
  for (int done = 0; done < WARM_UP; done += size) {
    hold(held, size, &remote);
    release(held, size);
  }
  const double start = cpu_seconds();
  for (int i = 0; i < batches; i++) {
    hold(held, size, &remote);
    release(held, size);
  }
  printf("{ \"cpu\": %.4f }\n", (cpu_seconds() - start) * 1e6 / size / batches);
}

static int ascending(const void* a, const void* b) {
  const double difference = *(const double*)a - *(const double*)b;
  return difference < 0 ? -1 : difference > 0;
}

// Holds `count` ports, and measures how long one more takes.
static void at(int count, int samples) {
  struct reservation* held = room(count + WARM_UP);
  double* took = calloc((size_t)samples, sizeof(*took));
  if (took == NULL) fail("calloc");
  const struct sockaddr_in elsewhere = endpoint(7), remote = endpoint(9);
  hold(held, WARM_UP, &elsewhere);
  release(held, WARM_UP);
  hold(held, count, &remote);
  for (int i = 0; i < samples; i++) {
    const double start = seconds(CLOCK_MONOTONIC);
    const struct reservation one = reserve(&remote);
    took[i] = (seconds(CLOCK_MONOTONIC) - start) * 1e6;
    close(one.fd);
  }
  qsort(took, (size_t)samples, sizeof(*took), ascending);
  printf("{ \"p50\": %.3f }\n", took[samples / 2]);
}

static void set_option(int calls) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const double start = cpu_seconds();
  for (int i = 0; i < calls; i++) set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &i);
  printf("{ \"cpu\": %.4f }\n", (cpu_seconds() - start) * 1e6 / calls);
}

static void* idle(void* nothing) {
  pause();
  return nothing;
}

// With a second thread the descriptor table is shared, and every call takes a reference to the file, as in every Node process.
static void add_thread(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, idle, NULL) != 0) fail("pthread_create");
}

int main(int argc, char** argv) {
  struct rlimit files;  // the maximum, as Node sets it
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  const char* mode = argc > 1 ? argv[1] : "";
  const int first = argc > 2 ? atoi(argv[2]) : 0, second = argc > 3 ? atoi(argv[3]) : 0;
  if (strcmp(mode, "cycle") == 0 && first > 0 && second > 0) {
    cycle(first, second);
  } else if (strcmp(mode, "cycle-spread") == 0 && first > 0 && second > 0) {
    with_spread = 1;
    cycle(first, second);
  } else if (strcmp(mode, "at") == 0 && second > 0) {
    at(first, second);
  } else if (strcmp(mode, "at-without-range") == 0 && second > 0) {
    with_range = 0;
    at(first, second);
  } else if (strcmp(mode, "set-option") == 0 && first > 0) {
    set_option(first);
  } else if (strcmp(mode, "set-option-threaded") == 0 && first > 0) {
    add_thread();
    set_option(first);
  } else {
    fprintf(stderr,
            "usage: %s cycle[-spread] SIZE BATCHES | at[-without-range] HELD SAMPLES | set-option[-threaded] CALLS\n",
            argv[0]);
    return 2;
  }
  return 0;
}
