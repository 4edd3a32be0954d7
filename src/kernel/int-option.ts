// getsockopt(2) of options that are an int, as most are, with one buffer for all calls.
import { SyscallError } from '../errors.js';
import { LITTLE_ENDIAN } from '../wire/byte-order.js';
import { SO_ERROR, SOL_SOCKET } from './numbers.js';

/** A reader of options: a native Handle, or a borrowed descriptor. */
export interface OptionReader {
  getsockopt(level: number, name: number, value: Uint8Array): number;
}

/** The option's value; undefined if the kernel does not have the option, or not for this socket. */
export function intOption(from: OptionReader, level: number, name: number): number | undefined {
  return from.getsockopt(level, name, scratch) < 4 ? undefined : scratchView.getInt32(0, LITTLE_ENDIAN);
}

/** The option's value. @param option its kernel name, for the error @throws SyscallError */
export function requireIntOption(from: OptionReader, level: number, name: number, option: string): number {
  const length = from.getsockopt(level, name, scratch);
  if (length < 0) throw new SyscallError('getsockopt', length, { option });
  return length < 4 ? 0 : scratchView.getInt32(0, LITTLE_ENDIAN);
}

/** Reads and clears SO_ERROR: 0, or a negative errno, which may be that of getsockopt(2) itself. */
export function takeError(from: OptionReader): number {
  const length = from.getsockopt(SOL_SOCKET, SO_ERROR, scratch);
  if (length < 0) return length;
  const errno = length < 4 ? 0 : scratchView.getInt32(0, LITTLE_ENDIAN);
  return errno === 0 ? 0 : -errno; // never -0
}

const scratch = new Uint8Array(4);
const scratchView = new DataView(scratch.buffer);
