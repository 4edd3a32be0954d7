// The other end of a trial, a separate process that runs until it is killed: it receives everything, or sends as requested.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "udp.h"

static char message[SEGMENTS * DATAGRAM];

/** Receives and copies everything, as a program that wants the data must: this work slows a sender down, too. */
static void sink(uint16_t port, bool gro) {
  static struct mmsghdr messages[BATCH];
  static struct iovec vectors[BATCH];
  static char slab[BATCH][65536];
  for (int i = 0; i < BATCH; i++) {
    vectors[i] = (struct iovec){slab[i], gro ? 65536 : 2048};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
  }
  const int fd = receiver(port, gro);
  struct pollfd readable = {.fd = fd, .events = POLLIN};
  puts("ready");
  fflush(stdout);
  for (;;) {
    if (poll(&readable, 1, -1) < 0) fail("poll");
    if (recvmmsg(fd, messages, BATCH, 0, NULL) < 0 && errno != EAGAIN && errno != ECONNREFUSED) {
      fail("recvmmsg");
    }
  }
}

/** The receiver may not be running yet. */
static void check(int result) {
  if (result < 0 && errno != EAGAIN && errno != ECONNREFUSED) fail("send");
}

/** One message of GSO: `count` datagrams arrive at once. */
static void together(int fd, const struct sockaddr_in* to, unsigned count) {
  union segment_control control;
  struct iovec vector = {message, count * (size_t)DATAGRAM};
  const struct msghdr header = {.msg_name = (void*)(uintptr_t)to,
                                .msg_namelen = sizeof(*to),
                                .msg_iov = &vector,
                                .msg_iovlen = 1,
                                .msg_control = control.bytes,
                                .msg_controllen = segment(&control, DATAGRAM)};
  check((int)sendmsg(fd, &header, MSG_NOSIGNAL));
}

/** One by one: the receiver may wake up before the last. */
static void apart(int fd, const struct sockaddr_in* to, unsigned count) {
  static struct mmsghdr messages[BATCH];
  struct iovec vector = {message, DATAGRAM};
  for (unsigned i = 0; i < count; i++) {
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = (void*)(uintptr_t)to, .msg_namelen = sizeof(*to), .msg_iov = &vector, .msg_iovlen = 1};
  }
  check(sendmmsg(fd, messages, count, MSG_NOSIGNAL));
}

static void flood(const struct sockaddr_in* to) {
  const int fd = udp_socket();
  puts("ready");
  fflush(stdout);
  for (;;) together(fd, to, SEGMENTS);
}

/** `rate` datagrams a second, `count` at once, by the clock; late datagrams are sent as soon as possible. */
static void pace(const struct sockaddr_in* to, int rate, unsigned count, bool one_by_one) {
  const int fd = udp_socket();
  prctl(PR_SET_TIMERSLACK, 1);
  puts("ready");
  fflush(stdout);
  const int64_t step = INT64_C(1000000000) * count / rate;
  for (int64_t next = now();; next += step) {
    const struct timespec at = {next / 1000000000, next % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) continue;
    (one_by_one ? apart : together)(fd, to, count);
  }
}

int peer_mode(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, 9);
  memset(message, 1, sizeof(message));
  if (argc < 2) return -1;
  if (strcmp(argv[0], "sink") == 0) {
    sink((uint16_t)atoi(argv[1]), argc > 2 && strcmp(argv[2], "gro") == 0);
    return 0;
  }
  if (argc < 3) return -1;
  const struct sockaddr_in to = endpoint(argv[1], (uint16_t)atoi(argv[2]));
  if (strcmp(argv[0], "flood") == 0) flood(&to);
  const int rate = argc > 3 ? atoi(argv[3]) : 0, count = argc > 4 ? atoi(argv[4]) : 0;
  if (strcmp(argv[0], "pace") == 0 && rate > 0 && count > 0 && count <= SEGMENTS) {
    pace(&to, rate, (unsigned)count, argc > 5 && strcmp(argv[5], "apart") == 0);
  }
  return -1;
}
