// The `waitForLocalPort` option: whether and how long to wait for a free local port.
import { integer, invalidType, options as checkOptions } from '../arguments.js';
import { TIME_WAIT_MS } from '../kernel/time-wait.js';

/**
 * Whether to wait for a local port when all are taken, instead of failing with reason 'portRangeExhausted'. `timeout` is
 * in milliseconds, for each address that is tried; `true` waits 60,000 ms, as long as TIME-WAIT lasts.
 */
export type WaitForLocalPort =
  | boolean
  | {
      /** Milliseconds, 1 to 2147483647. @default 60000 */
      readonly timeout?: number | undefined;
    };

/** How long to wait for a free port. */
export interface WaitPolicy {
  /** Milliseconds, after which the attempt fails with the original error. */
  readonly timeout: number;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function waitPolicyOf(wait: WaitForLocalPort | undefined): WaitPolicy | undefined {
  if (wait === undefined || wait === false) return undefined;
  if (wait === true) return { timeout: TIME_WAIT_MS };
  const name = 'options.waitForLocalPort';
  if (typeof wait !== 'object' || wait === null) throw invalidType(name, 'a boolean or { timeout }', wait);
  const { timeout = TIME_WAIT_MS } = checkOptions(name, wait, ['timeout']);
  return { timeout: integer(`${name}.timeout`, timeout, 1, 2 ** 31 - 1) };
}
