// `ethtool -K INTERFACE tx-udp-segmentation on|off`, for machines without ethtool.
#define _GNU_SOURCE
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "udp.h"

static void call(int fd, const char* interface, void* command, const char* what) {
  struct ifreq request = {.ifr_data = command};
  strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  if (ioctl(fd, SIOCETHTOOL, &request) < 0) fail(what);
}

int offload(const char* interface, bool on) {
  const int fd = udp_socket();
  struct {
    struct ethtool_sset_info info;
    uint32_t count;
  } sets = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1 << ETH_SS_FEATURES}, .count = 0};
  call(fd, interface, &sets, "ETHTOOL_GSSET_INFO");
  struct ethtool_gstrings* names = calloc(1, sizeof(*names) + sets.count * (size_t)ETH_GSTRING_LEN);
  const uint32_t blocks = (sets.count + 31) / 32;
  struct ethtool_sfeatures* features = calloc(1, sizeof(*features) + blocks * sizeof(features->features[0]));
  if (names == NULL || features == NULL) fail("calloc");
  *names = (struct ethtool_gstrings){.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = sets.count};
  call(fd, interface, names, "ETHTOOL_GSTRINGS");
  *features = (struct ethtool_sfeatures){.cmd = ETHTOOL_SFEATURES, .size = blocks};
  for (uint32_t i = 0; i < sets.count; i++) {
    if (strcmp((char*)names->data + i * (size_t)ETH_GSTRING_LEN, "tx-udp-segmentation") != 0) continue;
    features->features[i / 32].valid = 1u << i % 32;
    features->features[i / 32].requested = on ? 1u << i % 32 : 0;
    call(fd, interface, features, "ETHTOOL_SFEATURES");
    return 0;
  }
  fail("tx-udp-segmentation is no feature of the interface");
}
