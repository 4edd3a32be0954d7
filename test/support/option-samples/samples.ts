// A sample for every row of OPTIONS: data for the options tests. Without a sample for each row this does not compile, and a test fails.
import type { Family, NativeSocket, OptionName, OptionValues } from '../../../src/index.js';
import type { SocketType } from '../../../src/options/row.js';
import { IP_SAMPLES } from './ip.js';
import { IPV6_SAMPLES } from './ipv6.js';
import { SOCKET_SAMPLES } from './socket.js';
import { TCP_SAMPLES, UDP_SAMPLES } from './tcp.js';

/** For a row that can be set on a new socket, and that reads back. */
export interface Given<N extends OptionName> {
  /** Not the initial value, and one that reads back as the row says: unchanged, or doubled. */
  readonly set: OptionValues[N]['set'];
  /** What it reads back as, if in another form. */
  readonly reads?: unknown;
  /** For rows with readBack 'adjusted': a value that was set, and the different value that was read back. */
  readonly adjusted?: () => Promise<readonly [set: unknown, read: unknown]> | readonly [set: unknown, read: unknown];
  /** What this machine lacks, if anything. */
  readonly missing?: () => string | undefined;
}

/** For a row that can only be read. */
export interface Got {
  /** What a new socket returns, by its family and type; an errno's name if it fails. */
  readonly initial: (socket: NativeSocket) => unknown;
  /** A socket that returns a different value, and that value. */
  readonly later?: (check: (socket: NativeSocket, expected: unknown) => void) => Promise<void> | void;
}

/** For a row that cannot be read, or not be set on a new socket: its effect. */
export interface Shown<N extends OptionName> {
  /** What the privilege test sets. */
  readonly set: OptionValues[N]['set'];
  /** The name of the test. */
  readonly shows: string;
  readonly test: (family: Family, type: SocketType) => unknown;
  readonly missing?: () => string | undefined;
}

export type Samples = {
  readonly [N in OptionName]?: [OptionValues[N]['set']] extends [never] ? Got : Given<N> | Shown<N>;
};

export const SAMPLES: Required<Samples> = {
  ...SOCKET_SAMPLES,
  ...IP_SAMPLES,
  ...IPV6_SAMPLES,
  ...TCP_SAMPLES,
  ...UDP_SAMPLES,
};
