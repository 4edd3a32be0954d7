#!/bin/sh
# Stands in for the node of a test process (see pool.ts): gives it a network namespace of its own, and a sanitizer's library.
# Every step is an exec, so that the process that vitest sends signals to is the node.
set -e
if [ -z "$LINUX_SOCKETS_NETNS" ]; then
  if [ -n "$LINUX_SOCKETS_PRELOAD" ]; then export LD_PRELOAD="$LINUX_SOCKETS_PRELOAD"; fi
  exec "$LINUX_SOCKETS_NODE" "$@"
fi
unset LINUX_SOCKETS_NETNS
exec unshare --net -- sh -c 'ip link set lo up && exec "$0" "$@"' "$0" "$@"
