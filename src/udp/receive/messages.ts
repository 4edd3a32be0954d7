// A cursor over a batch that returns datagrams one by one, as copies, and splits those merged by UDP_GRO.
import type { Endpoint } from '../../wire/endpoint.js';
import type { ReceivedBatch } from './batch.js';

/** Metadata of a datagram: the fields of dgram's 'message' event, and those that the socket was created to report. */
export interface MessageInfo {
  /** The sender's address, with its zone if it has one. An IPv4-mapped address is shown as IPv4. */
  readonly address: string;
  /** The family of `address`, as dgram writes it. */
  readonly family: 'IPv4' | 'IPv6';
  readonly port: number;
  /** Bytes of the datagram. */
  readonly size: number;
  /** The sender. */
  readonly source: Endpoint;
  /** ReceivedBatch's `destination` */
  readonly destination: Endpoint | undefined;
  /** ReceivedBatch's `local` */
  readonly local: Endpoint | undefined;
  /** Index of the interface that it arrived on, with `pktinfo`. */
  readonly interface: number | undefined;
  /** The two ECN bits, with `ecn`: 0 to 3. */
  readonly ecn: number | undefined;
  /** The whole type of service or traffic class, with `ecn`: 0 to 255. */
  readonly tos: number | undefined;
  /** Time to live or hop limit as it arrived, with `ttl`. */
  readonly ttl: number | undefined;
  /** When the kernel received it, in nanoseconds since 1970, with `timestamps`. */
  readonly timestamp: bigint | undefined;
  /** ReceivedBatch's `drops` */
  readonly drops: number | undefined;
  /** The mark set by the packet filter, with `receiveMark: true`. */
  readonly mark: number | undefined;
  /** Whether it was longer than `maxDatagram`, so that the rest is lost. */
  readonly truncated: boolean;
  /** Whether there was no room for all control messages, so that some of the fields are undefined. */
  readonly controlTruncated: boolean;
}

/** A message of `for await`. */
export interface Message {
  /** A copy of the data. */
  readonly data: Buffer;
  readonly info: MessageInfo;
}

/** The position of a consumer of messages in a batch. */
export class MessageCursor {
  readonly #batch: ReceivedBatch;
  #slot = 0;
  /** Bytes of the current slot that have been read. */
  #offset = 0;

  constructor(batch: ReceivedBatch) {
    this.#batch = batch;
  }

  get slot(): number {
    return this.#slot;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Whether there is another message in the batch. */
  get hasNext(): boolean {
    return this.#slot < this.#batch.length;
  }

  rewind(): void {
    this.#slot = 0;
    this.#offset = 0;
  }

  /** Discards the remaining messages. */
  finish(): void {
    this.#slot = this.#batch.length;
    this.#offset = 0;
  }

  /** The next message, of which there must be one. It is consumed even if its consumer throws. */
  next(): Message {
    const [batch, slot, offset] = [this.#batch, this.#slot, this.#offset];
    const length = batch.byteLength(slot);
    const size = Math.min(batch.segmentSize(slot), length - offset);
    const message = { data: copy(batch.slab, batch.offset(slot) + offset, size), info: infoOf(batch, slot, size) };
    if (offset + size < length) {
      this.#offset = offset + size;
    } else {
      this.#offset = 0;
      this.#slot = slot + 1;
    }
    return message;
  }
}

function copy(slab: Uint8Array, start: number, size: number): Buffer {
  const data = Buffer.allocUnsafe(size);
  data.set(slab.subarray(start, start + size));
  return data;
}

function infoOf(batch: ReceivedBatch, i: number, size: number): MessageInfo {
  const source = batch.source(i);
  return {
    address: source.address,
    family: source.family === 'ipv4' ? 'IPv4' : 'IPv6',
    port: source.port,
    size,
    source,
    destination: batch.destination(i),
    local: batch.local(i),
    interface: batch.interface(i),
    ecn: batch.ecn(i),
    tos: batch.tos(i),
    ttl: batch.ttl(i),
    timestamp: batch.timestamp(i),
    drops: batch.drops(i),
    mark: batch.mark(i),
    truncated: batch.truncated(i),
    controlTruncated: batch.controlTruncated(i),
  };
}
