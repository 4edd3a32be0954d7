#!/usr/bin/env bash
# A new user's first minutes on a bare Debian, which debootstrap puts into a temporary directory; see usage() below.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
checkout=/srv/linux-sockets # in the chroot
node_line=22                # for a Debian whose own Node.js is too old

usage() {
  cat <<'END'
Usage: npm run test:bare [-- SUITE…]

Installs each Debian SUITE (by default trixie) with git, node and npm only. `npm ci` must name the packages that are missing
before it builds anything; with exactly those, `npm ci && npm start` must pass. Where Debian's Node.js is too old (bookworm),
`npm ci` must stop at once and name the versions that it needs, and the rest is done with a Node.js from npm.
Needs root, for a chroot, and debootstrap.
END
}

case ${1:-} in
-h | --help)
  usage
  exit
  ;;
-*)
  usage >&2
  exit 2
  ;;
esac
if (($# > 1)); then
  for suite in "$@"; do "$0" "$suite"; done
  exit
fi
suite=${1:-trixie}

if ((EUID != 0)); then
  echo "test:bare: needs root, for a chroot"
  exit 1
fi
if ! command -v debootstrap >/dev/null; then
  echo 'test:bare: debootstrap not found (Debian: apt-get install debootstrap)'
  exit 1
fi
# The mounts below end with this namespace, also if the script is killed.
if [[ -z ${LINUX_SOCKETS_BARE:-} ]]; then LINUX_SOCKETS_BARE=1 exec unshare --mount "$0" "$@"; fi

machine=$(mktemp -d)
chmod 755 "$machine" # apt-get downloads as another user
trap 'rm -rf --one-file-system "$machine"' EXIT

echo "installing Debian $suite into a temporary directory"
debootstrap --variant=minbase --include=git,ca-certificates "$suite" "$machine" >"$machine.log" 2>&1 || {
  tail -5 "$machine.log"
  exit 1
}
rm "$machine.log"
mount --bind "$machine" "$machine" # unshare(1) inside needs a root that is a mount point
trap 'umount -R --lazy "$machine" && rm -rf --one-file-system "$machine"' EXIT
for directory in proc sys dev; do mount --rbind "/$directory" "$machine/$directory"; done
# What this machine needs to reach the registries.
cp /etc/resolv.conf "$machine/etc/" 2>/dev/null || true
cp /etc/ssl/certs/ca-certificates.crt "$machine/etc/ssl/certs/" 2>/dev/null || true
export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt DEBIAN_FRONTEND=noninteractive
unset npm_config_nodedir CI "${!npm_@}"

inside() { chroot "$machine" sh -c "cd $checkout && $1"; }
installed() { chroot "$machine" apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }

chroot "$machine" apt-get update -qq
installed nodejs npm
git clone -q "$repository" "$machine$checkout"
echo "node $(inside 'node --version'), npm $(inside 'npm --version')"


# Debian's Node.js is supported, or `npm ci` says at once that it is not.
if ! inside 'node --eval "process.exit(Number(process.versions.node.split(\".\")[0]) < 20 ? 1 : 0)"'; then
  echo '$ npm ci'
  if output=$(inside 'npm ci 2>&1') || ! grep 'Required: {"node":' <<<"$output" || [[ -e $machine$checkout/node_modules ]]; then
    printf '%s\nIt does not say which Node.js it needs, or has installed something before.\n' "$output"
    exit 1
  fi
  package=node-linux-$(inside 'node --print process.arch')
  inside "npm install --global --silent npm@10 $package@$node_line"
  echo "node $(inside 'node --version'), npm $(inside 'npm --version'), from npm"
fi

echo '$ npm ci'
if output=$(inside 'npm ci 2>&1'); then
  echo 'passed without a compiler?'
  exit 1
fi
packages=$(grep -oP 'On Debian and Ubuntu: sudo apt-get install \K.*' <<<"$output" || true)
if [[ -z $packages ]]; then
  printf '%s\nIt does not say what to install.\n' "$output"
  exit 1
fi
echo "apt-get install $packages"
# shellcheck disable=SC2086
installed $packages
echo '$ npm ci && npm start'
output=$(inside 'npm ci 2>&1 && npm start 2>&1') || {
  printf '%s\n' "$output"
  exit 1
}
grep -A2 '^1\. ' <<<"$output"
echo "Debian $suite: npm ci && npm start passed"
