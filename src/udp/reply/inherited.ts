// The options that a second socket copies from the first one, so that its datagrams look the same and go the same way.
import type { Handle } from '../../binding.js';
import type { Family } from '../../wire/families.js';
import { LEVELS, type OptionRow } from '../../options/row.js';
import { setsockoptError } from '../../options/set-error.js';
import { OPTIONS, type OptionName } from '../../options/table.js';

/**
 * Copies the options to a new socket, where they differ. An IPv4 socket stands in for an IPv6 socket toward IPv4 peers, so
 * its options are those of IPPROTO_IP, which an IPv6 socket has as well.
 * @throws SyscallError; EPERM if the process no longer has the privilege that an option needs
 */
export function inheritSending(from: Handle, to: Handle, family: Family): void {
  for (const [option, only] of INHERITED) {
    if (only !== undefined && only !== family) continue;
    const row: OptionRow = OPTIONS[option];
    const { name, privilege } = row;
    const level = LEVELS[row.level];
    const length = from.getsockopt(level, name, theirs);
    if (length < 0) continue; // not supported by this kernel or this socket
    const own = to.getsockopt(level, name, ours);
    const value = theirs.subarray(0, length);
    if (own === length && value.every((byte, i) => byte === ours[i])) continue;
    const result = to.setsockopt(level, name, option === 'SO_SNDBUF' ? half(value) : value.slice());
    if (result < 0) throw setsockoptError(option, result, privilege);
  }
}

/** The kernel reports twice the size of a buffer. */
function half(value: Uint8Array): number {
  return (new Int32Array(value.slice().buffer)[0] ?? 0) >> 1;
}

const theirs = new Uint8Array(16);
const ours = new Uint8Array(16);

/** The options, and the family that each is for. Transparency comes first, since the others need the same privilege or none. */
const INHERITED: readonly (readonly [option: OptionName, family?: Family])[] = [
  ['IP_TRANSPARENT', 'ipv4'],
  ['IPV6_TRANSPARENT', 'ipv6'],
  ['SO_MARK'],
  ['SO_BINDTODEVICE'],
  ['SO_PRIORITY'],
  ['SO_MAX_PACING_RATE'],
  ['SO_BROADCAST'],
  ['SO_DONTROUTE'],
  ['SO_NO_CHECK'],
  ['SO_TXTIME'],
  ['SO_SNDBUF'],
  ['IP_UNICAST_IF', 'ipv4'],
  ['IP_TOS', 'ipv4'],
  ['IP_TTL', 'ipv4'],
  ['IP_MTU_DISCOVER', 'ipv4'],
  ['IPV6_UNICAST_IF', 'ipv6'],
  ['IPV6_TCLASS', 'ipv6'],
  ['IPV6_UNICAST_HOPS', 'ipv6'],
  ['IPV6_MTU_DISCOVER', 'ipv6'],
  ['IPV6_DONTFRAG', 'ipv6'],
  ['IPV6_AUTOFLOWLABEL', 'ipv6'],
];
