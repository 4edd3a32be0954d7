// Datagrams one by one, as copies that the user owns: a cursor over a batch, which cuts what UDP_GRO has merged.
import type { Endpoint } from '../../wire/endpoint.js';
import type { ReceivedBatch } from './batch.js';

/** What is known of a datagram: the fields of dgram's 'message' event, and what the socket was created to tell. */
export interface MessageInfo {
  /** The sender's address, with its zone where it has one. One that came IPv4-mapped is shown as IPv4. */
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
  /** When the kernel got it, nanoseconds since 1970, with `timestamps`. */
  readonly timestamp: bigint | undefined;
  /** ReceivedBatch's `drops` */
  readonly drops: number | undefined;
  /** The mark that the packet filter has given it, with `mark: true`. */
  readonly mark: number | undefined;
  /** It was longer than `maxDatagram`, and the rest is lost. */
  readonly truncated: boolean;
  /** There was no room for all control messages: some of the fields are undefined for that. */
  readonly controlTruncated: boolean;
}

/** What `for await` gives. */
export interface Message {
  /** A copy that is yours. */
  readonly data: Buffer;
  readonly info: MessageInfo;
}

/** Where a consumer of messages is in a batch. */
export class MessageCursor {
  readonly #batch: ReceivedBatch;
  #slot = 0;
  /** Bytes of the slot that have been read. */
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

  /** Is there another message in the batch? */
  get hasNext(): boolean {
    return this.#slot < this.#batch.length;
  }

  rewind(): void {
    this.#slot = 0;
    this.#offset = 0;
  }

  /** Nothing is left to be read. */
  finish(): void {
    this.#slot = this.#batch.length;
    this.#offset = 0;
  }

  /** The next message, of which there must be one. It is taken: also when what is done with it throws. */
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
