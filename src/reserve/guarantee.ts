// Options that would take a reservation's guarantee away, measured on Linux 6.18: each lets a second socket have the
// same 4-tuple, or bind and listen on the port.
import { LEVELS } from '../options/row.js';
import { OPTIONS } from '../options/table.js';

const REASONS = [
  ['SO_REUSEADDR', 'another socket with SO_REUSEADDR could then bind the reserved port, and listen on it'],
  ['SO_REUSEPORT', 'another socket with SO_REUSEPORT could then bind the reserved port, and listen on it'],
  ['SO_BINDTODEVICE', 'a socket that is not tied to the device could then get the same 4-tuple'],
  ['SO_BINDTOIFINDEX', 'a socket that is not tied to the device could then get the same 4-tuple'],
] as const;

export const LOSES_GUARANTEE: ReadonlyMap<string, string> = new Map(REASONS);

/** The same by an option's numbers. */
export function losesGuarantee(level: number, name: number): string | undefined {
  return REASONS.find(([option]) => LEVELS[OPTIONS[option].level] === level && OPTIONS[option].name === name)?.[1];
}

/** Options that make a reservation, and that it therefore sets by itself. */
export const SET_BY_RESERVE: ReadonlyMap<string, string> = new Map(
  (
    [
      ['IP_BIND_ADDRESS_NO_PORT', 'shareLocalPort'],
      ['IP_LOCAL_PORT_RANGE', 'localPortRange'],
      ['IP_FREEBIND', 'freebind'],
      ['IPV6_FREEBIND', 'freebind'],
      ['IP_TRANSPARENT', 'transparent'],
      ['IPV6_TRANSPARENT', 'transparent'],
      ['TCP_FASTOPEN_CONNECT', undefined],
      ['TCP_FASTOPEN_NO_COOKIE', undefined],
    ] as const
  ).map(([name, option]) => [name, option === undefined ? 'reserve sets it itself' : `use \`${option}\``]),
);
