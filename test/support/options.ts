// Options by names that are only known when the test runs, and sockets of every type for them.
import { readFileSync } from 'node:fs';
import {
  getOption,
  NativeSocket,
  setOption,
  type Family,
  type OptionName,
  type OptionTarget,
  type OptionValues,
  type SocketOptions,
} from '../../src/index.js';
import type { SocketType } from '../../src/options/row.js';

export const set = setOption as unknown as (target: OptionTarget, name: string, value: unknown) => void;
export const get = getOption as unknown as (target: OptionTarget, name: string) => unknown;

/** A socket of any type; a raw one is of UDP's protocol. */
export function create(family: Family, type: SocketType, sockopts?: SocketOptions): NativeSocket {
  const protocol = type === 'raw' ? 17 : 0;
  return NativeSocket.create({ family, type, protocol, ...(sockopts !== undefined && { sockopts }) });
}

/** The code that setting it fails with, undefined when it is set. */
export function refusal(target: OptionTarget, name: OptionName, value: unknown): string | undefined {
  return codeOf(() => set(target, name, value));
}

/** The code of the error that is thrown, if any. */
export function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** A new socket's answer to a value. */
export function reading<N extends OptionName>(
  name: N,
  value: OptionValues[N]['set'],
  [family, type]: readonly [Family, SocketType] = ['ipv6', 'stream'],
): () => readonly [unknown, unknown] {
  return () => {
    using socket = create(family, type);
    set(socket, name, value);
    return [value, get(socket, name)];
  };
}

/** Why there are no capabilities of the initial user namespace, which capable() checks instead of ours. */
export function noHostAdmin(): string | undefined {
  const all = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/).join(' ');
  return all === '0 0 4294967295' ? undefined : 'needs CAP_NET_ADMIN in the initial user namespace';
}

/** The sample, or its opposite for a flag that has that value initially. */
export function otherThan<T>(sample: T, initial: unknown): T {
  return typeof sample === 'boolean' && initial === sample ? (!sample as T) : sample;
}
