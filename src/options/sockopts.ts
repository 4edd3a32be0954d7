// `sockopts` of all calls that make a socket: read, checked and encoded before the socket is made, so that a wrong name or
// value leaves nothing behind, and getters of values are called once.
import { invalidType, invalidValue } from '../arguments.js';
import { encodeOption, type EncodedOption } from './access.js';
import type { OptionRow } from './row.js';
import { OPTIONS, type SocketOptions, type WritableOptionName } from './table.js';

/** The transport of a stream socket. */
export type StreamProtocol = 'tcp' | 'mptcp';

/**
 * The options in their order, encoded.
 * @param refused options that the caller sets itself or must not have, and why
 * @param protocol with 'mptcp', options that an MPTCP socket refuses or ignores are refused: the option's row says which
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 */
export function encodeSockopts(
  sockopts: SocketOptions | undefined,
  refused: ReadonlyMap<string, string> = NONE,
  protocol: StreamProtocol = 'tcp',
): readonly EncodedOption[] {
  if (sockopts === undefined) return NO_OPTIONS;
  if (typeof sockopts !== 'object' || sockopts === null || Array.isArray(sockopts)) {
    throw invalidType('options.sockopts', 'of type object', sockopts);
  }
  const encoded: EncodedOption[] = [];
  for (const [name, value] of Object.entries(sockopts)) {
    const where = `options.sockopts.${name}`;
    const row = ROWS.get(name);
    const why = refused.get(name) ?? (row === undefined ? 'unknown option' : undefined);
    if (why !== undefined) throw invalidValue(where, value, why);
    if (value === undefined) continue;
    if (protocol === 'mptcp' && row?.mptcp !== undefined) throw invalidValue(where, value, MPTCP[row.mptcp]);
    if (row?.access === 'get') throw invalidValue(where, value, 'this option can only be read');
    encoded.push(encodeOption(name as WritableOptionName, value as never, where));
  }
  return encoded;
}

const ROWS: ReadonlyMap<string, OptionRow> = new Map(Object.entries<OptionRow>(OPTIONS));
const MPTCP: Readonly<Record<NonNullable<OptionRow['mptcp']>, string>> = {
  refused: "an MPTCP socket does not take this option; leave it out, or use protocol: 'tcp'",
  ignored: "an MPTCP socket ignores this option; leave it out, or use protocol: 'tcp'",
};
const NONE: ReadonlyMap<string, string> = new Map();
const NO_OPTIONS: readonly EncodedOption[] = [];
