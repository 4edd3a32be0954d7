// setOption and getOption: one socket option by its kernel name with a typed value, or by numbers with bytes.
import { bytes as checkBytes, integer, invalidType, invalidValue, object } from '../arguments.js';
import { check, SocketError, SyscallError } from '../errors.js';
import { TCP_STATES } from '../kernel/tcp-states.js';
import { KINDS } from './kinds.js';
import type { Codec } from './kinds/codec.js';
import { setsockoptError } from './set-error.js';
import { hasIPv6Group } from './kinds/groups.js';
import { portAssigned } from './local-endpoint.js';
import { LEVELS, type OptionRow } from './row.js';
import { OPTIONS, type ReadableOptionName, type SocketOptions, type WritableOptionName } from './table.js';
import {
  accessOf,
  refusalOf,
  type OptionAccess,
  type OptionTarget,
  type RefusedBy,
  type SocketTypeOf,
} from './target.js';
import type { OptionValues } from './values.js';
import { TCP_INFO } from '../kernel/numbers.js';

/** An option by its numbers: a new kernel option never waits for a release. */
export interface RawOption {
  /** SOL_SOCKET 1, IPPROTO_IP 0, IPPROTO_TCP 6, IPPROTO_UDP 17, IPPROTO_IPV6 41 */
  readonly level: number;
  readonly name: number;
}

/**
 * Sets an option, setsockopt(2). By name, the value's type follows from the name. By numbers, the value is an int32 or
 * bytes, which are not checked; an option that comes too late is silently ignored by the kernel. Options that a socket of
 * this package refuses, such as SO_REUSEADDR of a reservation and UDP_GRO of a UdpSocket, are refused by numbers as well.
 * @throws SyscallError; ERR_OPTION_TOO_LATE where the kernel would accept the value and silently ignore it;
 * ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (unknown option), ERR_OUT_OF_RANGE; ERR_INVALID_STATE (no descriptor)
 */
export function setOption<
  S extends OptionTarget,
  N extends Exclude<WritableOptionName & WritableOptionName<SocketTypeOf<S>>, RefusedBy<S>>,
>(target: S, name: N, value: OptionValues[N]['set']): void;
export function setOption(target: OptionTarget, option: RawOption, value: Uint8Array | number): void;
export function setOption(target: OptionTarget, option: string | RawOption, value: unknown): void {
  const access = accessOf(target);
  if (typeof option !== 'string') {
    setRaw(target, access, option, value);
    return;
  }
  const found = known(option);
  const refusal = refusalOf(target, found.level, found.row.name);
  if (refusal !== undefined) throw invalidValue('name', option, refusal);
  const encoded = encodeValue(option, value, found);
  // Getters of a value run the caller's code, which may have closed the socket: another one may have its descriptor by now.
  setEncoded(typeof value === 'object' ? accessOf(target) : access, option, encoded, found);
}

/**
 * Reads an option, getsockopt(2). By name, decoded. By numbers, the bytes that the kernel gave, at most `length` of them.
 * @throws as setOption
 */
export function getOption<S extends OptionTarget, N extends ReadableOptionName & ReadableOptionName<SocketTypeOf<S>>>(
  target: S,
  name: N,
): OptionValues[N]['get'];
export function getOption(target: OptionTarget, option: RawOption, length?: number): Uint8Array;
export function getOption(target: OptionTarget, option: string | RawOption, length = 4): unknown {
  const access = accessOf(target);
  return typeof option === 'string' ? readOption(access, option) : getRaw(access, option, length);
}

/** Sets options before bind, in their order. */
export function applyOptions(access: OptionAccess, options: SocketOptions | undefined): void {
  if (options === undefined) return;
  object('sockopts', options);
  for (const [name, value] of Object.entries(options)) {
    const found = known(name);
    if (value !== undefined) setEncoded(access, name, encodeValue(name, value, found), found);
  }
}

/** An option and its value as setsockopt(2) takes them, encoded once to be set any number of times. */
export interface EncodedOption {
  readonly option: WritableOptionName;
  readonly level: number;
  readonly name: number;
  readonly value: Uint8Array | number;
  /** A classic BPF program goes to the kernel behind a pointer, which only native code can make. */
  readonly call: 'setsockopt' | 'attachFilter';
  /** The capability without which it is EPERM. */
  readonly privilege: string | undefined;
}

/**
 * Checks and encodes an option without setting it.
 * @param name what errors call the value
 */
export function encodeOption<N extends WritableOptionName>(
  option: N,
  value: OptionValues[N]['set'],
  name: string = option,
): EncodedOption {
  const { row, level, groupLevel, codec } = known(option);
  const encoded = codec.encode(value, name, row);
  return {
    option,
    level: groupLevel !== undefined && typeof encoded !== 'number' && hasIPv6Group(encoded) ? groupLevel : level,
    name: row.name,
    value: typeof encoded === 'number' ? encoded : encoded.slice(),
    call: codec.call ?? 'setsockopt',
    privilege: row.privilege,
  };
}

function encodeValue(name: string, value: unknown, { row, codec }: Known): Uint8Array | number {
  if (row.access === 'get') throw invalidValue('name', name, 'this option can only be read');
  return codec.encode(value, name, row);
}

function setEncoded(access: OptionAccess, name: string, encoded: Uint8Array | number, found: Known): void {
  const { row, level, groupLevel, codec } = found;
  if (row.late !== undefined) refuseLate(access, name, row.late);
  const result =
    typeof encoded === 'number'
      ? access.setsockopt(level, row.name, encoded)
      : access[codec.call ?? 'setsockopt'](
          groupLevel !== undefined && hasIPv6Group(encoded) ? groupLevel : level,
          row.name,
          encoded,
        );
  if (result < 0) throw setsockoptError(name, result, row.privilege);
}

function refuseLate(access: OptionAccess, name: string, late: NonNullable<OptionRow['late']>): void {
  if (!(late === 'connected' ? isConnected(access) : portAssigned(access))) return;
  throw new SocketError(
    'ERR_OPTION_TOO_LATE',
    `${name} comes too late: the socket ${late === 'connected' ? 'is connected' : 'has a local port'}, and the ` +
      'kernel would silently ignore the option. Set it before bind() or connect(), or use the numeric form to get the ' +
      'behaviour of the kernel.',
  );
}

/** Whether the handshake is complete. The first byte of struct tcp_info is the state. */
function isConnected(access: OptionAccess): boolean {
  const length = access.getsockopt(LEVELS.IPPROTO_TCP, TCP_INFO, scratchState);
  const state = length < 1 ? undefined : TCP_STATES[scratchState[0] ?? 0];
  return state !== undefined && !['CLOSE', 'LISTEN', 'SYN_SENT', 'SYN_RECV'].includes(state);
}

function readOption(access: OptionAccess, name: string): unknown {
  const { row, level, codec } = known(name);
  if (row.access === 'set') throw invalidValue('name', name, 'this option can only be set');
  const value = scratchValue(codec.size);
  const length = access.getsockopt(level, row.name, value);
  if (length < 0) throw new SyscallError('getsockopt', length, { option: name });
  return codec.decode(value, length, row);
}

/** A row, with its level and kind looked up. */
interface Known {
  readonly row: OptionRow;
  readonly level: number;
  readonly groupLevel: number | undefined;
  readonly codec: Codec<unknown, unknown>;
}

/** Cached by name: setting an option costs little more than its system call, so every lookup counts. */
const KNOWN: ReadonlyMap<string, Known> = new Map(
  Object.entries<OptionRow>(OPTIONS).map(([name, row]) => [
    name,
    {
      row,
      level: LEVELS[row.level],
      groupLevel: row.groupLevel === undefined ? undefined : LEVELS[row.groupLevel],
      codec: KINDS[row.kind] as Codec<unknown, unknown>,
    },
  ]),
);

function known(name: string): Known {
  const found = KNOWN.get(name);
  if (found === undefined) {
    throw invalidValue(
      'name',
      name,
      'unknown option; use { level, name } with a number or bytes for options that are not in the table',
    );
  }
  return found;
}

function setRaw(target: OptionTarget, access: OptionAccess, option: RawOption, value: unknown): void {
  const { level, name } = checkRaw(option);
  const refusal = refusalOf(target, level, name);
  if (refusal !== undefined) throw invalidValue('option', option, refusal);
  const encoded =
    typeof value === 'number' ? integer('value', value, -(2 ** 31), 2 ** 31 - 1) : checkBytes('value', value);
  check('setsockopt', access.setsockopt(level, name, encoded), { option: `${String(level)}/${String(name)}` });
}

function getRaw(access: OptionAccess, option: RawOption, length: number): Uint8Array {
  const { level, name } = checkRaw(option);
  const value = new Uint8Array(integer('length', length, 0, MAX_LENGTH));
  const got = check('getsockopt', access.getsockopt(level, name, value), {
    option: `${String(level)}/${String(name)}`,
  });
  return value.subarray(0, got);
}

function checkRaw(option: RawOption): RawOption {
  if (typeof option !== 'object' || option === null) throw invalidType('option', 'a name or { level, name }', option);
  return {
    level: integer('option.level', option.level, -(2 ** 31), 2 ** 31 - 1),
    name: integer('option.name', option.name, -(2 ** 31), 2 ** 31 - 1),
  };
}

/** A value is decoded before the next is read. Zeroed, since some options leave bytes as they were. */
function scratchValue(size: number): Uint8Array {
  if (size <= 16) return (size === 4 ? scratch4 : scratch.subarray(0, size)).fill(0);
  return new Uint8Array(size);
}

const MAX_LENGTH = 1 << 20;
const scratch = new Uint8Array(16);
const scratch4 = scratch.subarray(0, 4);
const scratchState = new Uint8Array(1);
