// The options of `UdpSocket.create` that concern sending.
import { integer } from '../../arguments.js';
import { MAX_SEGMENT_SIZE } from './segments.js';
import { checkGsoOptions, type Complete, type GsoOptions } from './gso.js';

export interface SenderOptions extends GsoOptions {
  /**
   * The default `segmentSize` of sends: bytes per datagram, 1 to 65535; 0: one datagram. The `segmentSize` option of a
   * send, also 0, takes precedence. It is not set on the descriptor (UDP_SEGMENT). @default 0
   */
  readonly segmentSize?: number | undefined;
  /** Bytes in the queue of `send` beyond which `writableNeedDrain` is true. @default 1048576 */
  readonly sendHighWaterMark?: number | undefined;
  /** Maximum bytes in the queue of `send`; each send counts as 256 bytes more than its data. @default 16777216 */
  readonly maxQueueBytes?: number | undefined;
}

/** The keys of SenderOptions, for a factory that refuses unknown keys. */
export const SENDER_OPTIONS = [
  'segmentSize',
  'gso',
  'gsoRetryAfter',
  'gsoMaxSegments',
  'gsoEqualTail',
  'sendHighWaterMark',
  'maxQueueBytes',
] as const satisfies readonly (keyof SenderOptions)[];

/** With the defaults. @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkSenderOptions(options: SenderOptions): Complete<SenderOptions> {
  const { segmentSize = 0, sendHighWaterMark = 2 ** 20, maxQueueBytes = 2 ** 24 } = options;
  return {
    ...checkGsoOptions(options),
    segmentSize: integer('options.segmentSize', segmentSize, 0, MAX_SEGMENT_SIZE),
    sendHighWaterMark: integer('options.sendHighWaterMark', sendHighWaterMark, 0, 2 ** 40),
    maxQueueBytes: integer('options.maxQueueBytes', maxQueueBytes, 0, 2 ** 40),
  };
}
