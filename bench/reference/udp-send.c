// Senders: one datagram per call, 64 per call, 54 per message.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "udp.h"

static char payload[BATCH][DATAGRAM];
static char message[SEGMENTS * DATAGRAM];

static const struct sockaddr_in* to;  // NULL on a connected socket
static int fd;

static void wait_writable(void) {
  struct pollfd writable = {.fd = fd, .events = POLLOUT};
  if (errno != EAGAIN || poll(&writable, 1, -1) < 0) fail("send");
}

static socklen_t length_of_to(void) { return to == NULL ? 0 : sizeof(*to); }

static void one(struct run* run) {
  for (int i = 0; i < BATCH; i++) {
    if (sendto(fd, payload[i], DATAGRAM, MSG_NOSIGNAL, (const struct sockaddr*)to, length_of_to()) < 0) {
      wait_writable();
      continue;
    }
    run->calls++;
    run->datagrams++;
  }
}

static void many(struct run* run) {
  static struct mmsghdr messages[BATCH];
  static struct iovec vectors[BATCH];
  for (int i = 0; i < BATCH; i++) {
    vectors[i] = (struct iovec){payload[i], DATAGRAM};
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = (void*)(uintptr_t)to, .msg_namelen = length_of_to(), .msg_iov = &vectors[i], .msg_iovlen = 1};
  }
  for (int sent = 0; sent < BATCH;) {
    const int taken = sendmmsg(fd, messages + sent, (unsigned)(BATCH - sent), MSG_NOSIGNAL);
    if (taken < 0) {
      wait_writable();
      continue;
    }
    sent += taken;
    run->calls++;
    run->datagrams += (uint64_t)taken;
  }
}

static void segments(struct run* run) {
  static union segment_control control;
  struct iovec vector = {message, sizeof(message)};
  struct msghdr header = {.msg_name = (void*)(uintptr_t)to,
                          .msg_namelen = length_of_to(),
                          .msg_iov = &vector,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = segment(&control, DATAGRAM)};
  if (sendmsg(fd, &header, MSG_NOSIGNAL) < 0) {
    wait_writable();
    return;
  }
  run->calls++;
  run->datagrams += SEGMENTS;
}

/** Memory that was never written is one page of zeros, which the kernel copies faster than any data. */
static void fill(void) {
  memset(payload, 1, sizeof(payload));
  memset(message, 1, sizeof(message));
}

static void repeat(void (*send)(struct run*), int milliseconds) {
  struct run warm_up = begin(WARM_UP);
  while (now() < warm_up.until) send(&warm_up);
  struct run run = begin(milliseconds);
  while (now() < run.until) send(&run);
  run.bytes = run.datagrams * DATAGRAM;
  report(&run);
}

int send_mode(const char* mode, const struct sockaddr_in* there, int milliseconds) {
  const char* connected = strstr(mode, "-connected");
  const size_t length = connected == NULL ? strlen(mode) : (size_t)(connected - mode);
  void (*send)(struct run*) = strncmp(mode, "sendto", length) == 0     ? one
                              : strncmp(mode, "sendmmsg", length) == 0 ? many
                              : strncmp(mode, "gso", length) == 0      ? segments
                                                                       : NULL;
  if (send == NULL) return -1;
  fill();
  fd = udp_socket();
  if (connected == NULL) {
    to = there;
  } else if (connect(fd, (const struct sockaddr*)there, sizeof(*there)) < 0) {
    fail("connect");
  }
  repeat(send, milliseconds);
  return 0;
}
