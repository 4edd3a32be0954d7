// Receivers: up to 64 messages per call, as an event loop does it: epoll_wait, then recvmmsg.
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "udp.h"

#define SLOT 2048
#define GRO_SLOT 65536

static struct mmsghdr messages[BATCH];
static struct iovec vectors[BATCH];
static struct sockaddr_in sources[BATCH];
static union {
  char bytes[64];
  size_t align;
} controls[BATCH];

/** Datagrams in a message: several if the kernel reports their size. */
static uint64_t datagrams_in(struct msghdr* header, unsigned length) {
  for (struct cmsghdr* control = CMSG_FIRSTHDR(header); control != NULL; control = CMSG_NXTHDR(header, control)) {
    if (control->cmsg_level != IPPROTO_UDP || control->cmsg_type != UDP_GRO) continue;
    int size;
    memcpy(&size, CMSG_DATA(control), sizeof(size));
    return (length + (unsigned)size - 1) / (unsigned)size;
  }
  return 1;
}

static void receive(int fd, bool gro, struct run* run) {
  for (int i = 0; i < BATCH; i++) {
    messages[i].msg_hdr.msg_namelen = sizeof(sources[i]);
    messages[i].msg_hdr.msg_controllen = gro ? sizeof(controls[i]) : 0;
  }
  const int received = recvmmsg(fd, messages, BATCH, 0, NULL);
  if (received < 0) {
    if (errno != EAGAIN) fail("recvmmsg");
    return;
  }
  run->calls++;
  for (int i = 0; i < received; i++) {
    run->bytes += messages[i].msg_len;
    run->datagrams += gro ? datagrams_in(&messages[i].msg_hdr, messages[i].msg_len) : 1;
  }
}

static void until_over(int epoll, int fd, bool gro, struct run* run) {
  struct epoll_event event;
  for (int64_t left; (left = run->until - now()) > 0;) {
    const int ready = epoll_wait(epoll, &event, 1, (int)(left / 1000000) + 1);
    if (ready < 0) fail("epoll_wait");
    if (ready > 0) receive(fd, gro, run);
  }
}

int receive_mode(const char* mode, uint16_t port, int milliseconds) {
  const bool gro = strcmp(mode, "recvmmsg-gro") == 0;
  if (!gro && strcmp(mode, "recvmmsg") != 0) return -1;
  const size_t slot = gro ? GRO_SLOT : SLOT;
  char* slab = malloc(slot * BATCH);
  if (slab == NULL) fail("malloc");
  for (int i = 0; i < BATCH; i++) {
    vectors[i] = (struct iovec){slab + (size_t)i * slot, slot};
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &sources[i], .msg_iov = &vectors[i], .msg_iovlen = 1, .msg_control = controls[i].bytes};
  }
  const int fd = receiver(port, gro), epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event interest = {.events = EPOLLIN};
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest) < 0) fail("epoll");
  struct run warm_up = begin(WARM_UP);
  until_over(epoll, fd, gro, &warm_up);
  struct run run = begin(milliseconds);
  until_over(epoll, fd, gro, &run);
  report(&run);
  return 0;
}
