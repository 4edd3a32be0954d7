// What a socket is asked about sending when it is made.
import { integer } from '../../arguments.js';
import { checkGsoOptions, type Complete, type GsoOptions } from './gso.js';

export interface SenderOptions extends GsoOptions {
  /** Bytes in the queue of `send` beyond which `writableNeedDrain` is true. @default 1048576 */
  readonly sendHighWaterMark?: number | undefined;
  /** Bytes that the queue of `send` holds at most; each send counts 256 beyond its data. @default 16777216 */
  readonly maxQueueBytes?: number | undefined;
}

/** The names of SenderOptions, for a factory that refuses others. */
export const SENDER_OPTIONS = [
  'gso',
  'gsoRetryAfter',
  'gsoMaxSegments',
  'gsoEqualTail',
  'sendHighWaterMark',
  'maxQueueBytes',
] as const satisfies readonly (keyof SenderOptions)[];

/** With the defaults. @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkSenderOptions(options: SenderOptions): Complete<SenderOptions> {
  const { sendHighWaterMark = 2 ** 20, maxQueueBytes = 2 ** 24 } = options;
  return {
    ...checkGsoOptions(options),
    sendHighWaterMark: integer('options.sendHighWaterMark', sendHighWaterMark, 0, 2 ** 40),
    maxQueueBytes: integer('options.maxQueueBytes', maxQueueBytes, 0, 2 ** 40),
  };
}
