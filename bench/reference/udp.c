// The reference for UdpSocket: the same system calls in C, and the other end of the traffic for both sides. One mode per
// measurement, as in bench/udp/ours.mjs; prints one line of JSON.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "udp.h"

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  const int port = argc > 3 ? atoi(argv[3]) : 0, milliseconds = argc > 4 ? atoi(argv[4]) : 0;
  int status = -1;
  if (strcmp(mode, "offload") == 0 && argc == 4) {
    status = offload(argv[2], strcmp(argv[3], "on") == 0);
  } else if (strcmp(mode, "peer") == 0) {
    status = peer_mode(argc - 2, argv + 2);
  } else if (argc == 5 && port > 0 && milliseconds > 0) {
    const struct sockaddr_in there = endpoint(argv[2], (uint16_t)port);
    status = send_mode(mode, &there, milliseconds);
    if (status < 0) status = receive_mode(mode, (uint16_t)port, milliseconds);
  }
  if (status >= 0) return status;
  fprintf(stderr,
          "usage: %s MODE ADDRESS PORT MILLISECONDS\n"
          "         sendto | sendto-connected | sendmmsg | sendmmsg-connected | gso | gso-connected\n"
          "         recvmmsg | recvmmsg-gro\n"
          "       %s peer sink PORT [gro] | peer flood ADDRESS PORT | peer pace ADDRESS PORT RATE BURST [apart]\n"
          "       %s offload INTERFACE on|off\n",
          argv[0], argv[0], argv[0]);
  return 2;
}
