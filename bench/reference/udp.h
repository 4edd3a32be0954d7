// What the reference programs for UDP share: where the traffic goes, clocks, and how a run is measured.
#ifndef BENCH_UDP_H
#define BENCH_UDP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define DATAGRAM 1200    // bytes of payload, as QUIC sends at least
#define SEGMENTS 54      // as many of them as fit into one message
#define BATCH 64         // messages a call
#define QUEUE (4 << 20)  // of a receiver, bytes, as far as net.core.rmem_max allows
#define WARM_UP 100      // milliseconds that are not counted

_Noreturn void fail(const char* what);

int udp_socket(void);
void set_int(int fd, int level, int name, int value);
/** A socket at `port` of every address, with a long queue. */
int receiver(uint16_t port, bool gro);
struct sockaddr_in endpoint(const char* address, uint16_t port);

/** Nanoseconds of CLOCK_MONOTONIC, and of this process's CPU time, user and system. */
int64_t now(void);
int64_t cpu(void);

/** Counts one measurement, from begin() on; `until` is when to stop, by now(). */
struct run {
  int64_t started, cpu, until;
  uint64_t datagrams, bytes, calls;
};
struct run begin(int milliseconds);
/** Prints the line of JSON. */
void report(const struct run* run);

/** What fills a message of GSO: room for the 16 bits of UDP_SEGMENT. */
union segment_control {
  char bytes[24];
  size_t align;
};
/** Writes UDP_SEGMENT; the length. */
size_t segment(union segment_control* control, uint16_t size);

int send_mode(const char* mode, const struct sockaddr_in* to, int milliseconds);
int receive_mode(const char* mode, uint16_t port, int milliseconds);
int peer_mode(int argc, char** argv);
int offload(const char* interface, bool on);

#endif
