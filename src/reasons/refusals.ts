// What this package finds out itself, before it asks the kernel or in what the kernel reports back: refused with the error
// that the kernel has for the same fact elsewhere, and with its reason.
import type { FailureReason } from '../errors.js';
import { EADDRNOTAVAIL, ECONNREFUSED, EINVAL, ENOTSUP } from '../kernel/numbers.js';
import type { ExplainedCall } from './table.js';

export interface RefusalRow {
  readonly call: ExplainedCall;
  /** Negative. */
  readonly errno: number;
  /** As the documentation says it. */
  readonly when: string;
  readonly reason: FailureReason;
  /** As in the table of reasons. */
  readonly remedy?: string;
}

export type Refusal =
  | 'sourceUnspecified'
  | 'sourceOfOtherFamily'
  | 'otherSourceWanted'
  | 'otherSourceTaken'
  | 'selfConnected'
  | 'zoneUnknown'
  | 'replyToNobody'
  | 'replyFromMany'
  | 'replyFromLoopback'
  | 'destinationNotReported'
  | 'optionForIPv6';

export const REFUSALS: Readonly<Record<Refusal, RefusalRow>> = {
  sourceUnspecified: {
    call: 'bind',
    errno: EADDRNOTAVAIL,
    when: "a prefix of a pool's sources contains 0.0.0.0 or ::",
    reason: 'notUnicast',
    remedy: 'It is the unspecified address, which would leave the choice of the source to the kernel',
  },
  sourceOfOtherFamily: {
    call: 'bind',
    errno: EINVAL,
    when: 'the local and the remote address are of different families',
    reason: 'familyMismatch',
    remedy:
      'The destination is {family}, but this source is {otherFamily}: use a source of the same family, or ' +
      '`family: {otherFamilyNumber}` to resolve to {otherFamily}',
  },
  otherSourceWanted: {
    call: 'bind',
    errno: EINVAL,
    when: 'a socket of connect() is connected again, from another source',
    reason: 'otherSource',
    remedy: 'This socket was created for another source, which cannot be changed: create a new one with connect()',
  },
  otherSourceTaken: {
    call: 'connect',
    errno: EADDRNOTAVAIL,
    when: 'the kernel took another local end than the one that was asked for; the socket is closed',
    reason: 'otherSource',
    remedy:
      'The kernel took {taken} instead of {localOrAny}, port {ports}, so the socket is closed. Is the range inside ' +
      'net.ipv4.ip_local_port_range ({sysctlRange})? The kernel silently ignores a bound outside it',
  },
  selfConnected: {
    call: 'connect',
    errno: ECONNREFUSED,
    when: 'both ends are the same, so that TCP would connect the socket to itself',
    reason: 'selfConnect',
    remedy: 'Nobody listens there: the socket has the port that it connects to',
  },
  zoneUnknown: {
    call: 'connect',
    errno: EINVAL,
    when: 'the zone of the destination is no interface',
    reason: 'noDevice',
    remedy: "This network namespace has no interface with the zone's name: see `ip link`",
  },
  replyToNobody: {
    call: 'sendmsg',
    errno: EINVAL,
    when: 'a reply to 0.0.0.0, ::, or a broadcast or multicast address',
    reason: 'notUnicast',
    remedy: 'No host has this address, so the datagram is forged, and no reply is sent',
  },
  replyFromMany: {
    call: 'sendmsg',
    errno: EADDRNOTAVAIL,
    when: 'a reply from a broadcast or multicast address and another port',
    reason: 'notUnicast',
    remedy: 'A datagram cannot be sent from {local}, a broadcast or multicast address',
  },
  replyFromLoopback: {
    call: 'sendmsg',
    errno: EINVAL,
    when: 'a reply from a loopback address to a peer that is not on this host',
    reason: 'loopbackSource',
    remedy: 'It would leave with a loopback address as its source; create the socket with pktinfo: true',
  },
  destinationNotReported: {
    call: 'sendmsg',
    errno: EINVAL,
    when: 'a reply to a datagram whose control messages were cut off',
    reason: 'unknownDestination',
    remedy: 'The kernel did not report where the datagram was sent to: controlLength is too small',
  },
  optionForIPv6: {
    call: 'sendmsg',
    errno: ENOTSUP,
    when: 'a reply to an IPv4 peer with an option that only IPv6 has; its cause names the option',
    reason: 'notForIPv4',
  },
};
