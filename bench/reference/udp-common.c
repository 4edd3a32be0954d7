// Sockets, clocks and the line of JSON: what the modes share.
#define _GNU_SOURCE
#include "udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

void fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

int udp_socket(void) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  return fd;
}

void set_int(int fd, int level, int name, int value) {
  if (setsockopt(fd, level, name, &value, sizeof(value)) < 0) fail("setsockopt");
}

int receiver(uint16_t port, bool gro) {
  const int fd = udp_socket();
  set_int(fd, SOL_SOCKET, SO_RCVBUF, QUEUE);
  if (gro) set_int(fd, IPPROTO_UDP, UDP_GRO, 1);
  const struct sockaddr_in here = endpoint("0.0.0.0", port);
  if (bind(fd, (const struct sockaddr*)&here, sizeof(here)) < 0) fail("bind");
  return fd;
}

struct sockaddr_in endpoint(const char* address, uint16_t port) {
  struct sockaddr_in made = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, address, &made.sin_addr) != 1) fail(address);
  return made;
}

int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t cpu(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return ((int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
          usage.ru_stime.tv_usec) *
         1000;
}

struct run begin(int milliseconds) {
  const int64_t start = now();
  return (struct run){.started = start, .cpu = cpu(), .until = start + milliseconds * INT64_C(1000000)};
}

void report(const struct run* run) {
  const double took = (double)(now() - run->started), used = (double)(cpu() - run->cpu);
  const double datagrams = (double)run->datagrams;
  printf(
      "{ \"cpu\": %.4f, \"share\": %.4f, \"rate\": %.0f, \"gbits\": %.3f, \"datagrams\": %.0f, \"perCall\": %.2f }\n",
      used / 1e3 / datagrams, used / took, datagrams * 1e9 / took, (double)run->bytes * 8 / took, datagrams,
      datagrams / (double)run->calls);
}

size_t segment(union segment_control* control, uint16_t size) {
  struct cmsghdr* header = (struct cmsghdr*)control->bytes;
  *header = (struct cmsghdr){.cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof(size))};
  memcpy(CMSG_DATA(header), &size, sizeof(size));
  return CMSG_SPACE(sizeof(size));
}
