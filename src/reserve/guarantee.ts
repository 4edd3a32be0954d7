// Options that would break a reservation's guarantee, measured on Linux 6.18: each lets a second socket get the same
// 4-tuple, or bind and listen on the port.
import { LEVELS } from '../options/row.js';
import { OPTIONS } from '../options/table.js';
import { LOCAL_OPTION_NAMES, type LocalOptionName } from '../source/local-options.js';

const REASONS = [
  ['SO_REUSEADDR', 'another socket with SO_REUSEADDR could then bind the reserved port, and listen on it'],
  ['SO_REUSEPORT', 'another socket with SO_REUSEPORT could then bind the reserved port, and listen on it'],
  ['SO_BINDTODEVICE', 'a socket that is not bound to the device could then get the same 4-tuple'],
  ['SO_BINDTOIFINDEX', 'a socket that is not bound to the device could then get the same 4-tuple'],
] as const;

/** Options that would break a reservation's guarantee. */
export type UnsafeOption = (typeof REASONS)[number][0];

export const LOSES_GUARANTEE: ReadonlyMap<string, string> = new Map(REASONS);

/** The same for an option given by its numbers. */
export function losesGuarantee(level: number, name: number): string | undefined {
  return REASONS.find(([option]) => LEVELS[OPTIONS[option].level] === level && OPTIONS[option].name === name)?.[1];
}

/** Options that `reserve` sets itself. */
export const SET_BY_RESERVE: ReadonlyMap<string, string> = ownOptions('reserve', [
  'TCP_FASTOPEN_CONNECT',
  'TCP_FASTOPEN_NO_COOKIE',
]);

/** Options that `sockopts` of a reservation does not take. */
export type NotOfReservations = UnsafeOption | LocalOptionName;

/** Options that `reserveUdp` or `toUdpSocket` sets. */
export const SET_BY_RESERVE_UDP: ReadonlyMap<string, string> = new Map([
  ...ownOptions('reserveUdp', []),
  ['UDP_GRO', 'use toUdpSocket({ gro: true }), which also makes room for merged datagrams'],
  ['UDP_SEGMENT', 'use toUdpSocket({ segmentSize })'],
]);

function ownOptions(call: string, more: readonly string[]): ReadonlyMap<string, string> {
  return new Map([
    ...LOCAL_OPTION_NAMES.map(([name, option]): [string, string] => [name, `use \`${option}\``]),
    ...more.map((name): [string, string] => [name, `${call} sets it itself`]),
  ]);
}
