// ReceivedBatch: the datagrams of one system call, read in place. Objects are created only on demand.
import { outOfRange } from '../../arguments.js';
import type { Handle } from '../../binding.js';
import { SocketError } from '../../errors.js';
import { decodeControl, type ReceivedControlMessage } from '../../wire/control.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import type { Endpoint } from '../../wire/endpoint.js';
import { empty, fill, isOwn, make, show } from '../internal.js';
import { NAME_SIZE, RESULT_WORDS, type Arena } from './arena.js';
import {
  endpointAt,
  isIPv4At,
  isMulticast6,
  keyAt,
  writeAddress4,
  writeAddress6,
  writeMapped,
} from './endpoint-cache.js';
import {
  ABSENT,
  DROPS,
  HAS_DROPS,
  HAS_MARK,
  INTERFACE,
  MARK,
  Metadata,
  ORIGINAL_DESTINATION,
  PACKET_INFO_4,
  PACKET_INFO_6,
  PRESENT,
  SEGMENT_SIZE,
  TIMESTAMP,
  TOS,
  TTL,
} from './metadata.js';
import { MSG_CTRUNC, MSG_TRUNC } from '../../kernel/numbers.js';

/**
 * Datagrams in the memory that the kernel wrote them to. The batch of a 'batch' event is valid until its callback returns;
 * one of `createReceiveBatch` until `receiveBatch` fills it again. After that every accessor throws ERR_INVALID_STATE, but
 * views returned by `data(i)` still exist, and show later data: copy what you keep. To find code that keeps such views,
 * create the socket with `debug: true`.
 *
 * Every accessor takes the index of a datagram, 0 to `length` - 1, and throws ERR_OUT_OF_RANGE for any other. With `gro`
 * an entry may hold several datagrams of one peer: see `segmentSize`.
 */
export class ReceivedBatch {
  #arena: Arena | undefined;
  #length = 0;
  readonly #metadata: Metadata;
  readonly #countsDrops: boolean;
  readonly #isOwn: boolean;
  /** The maximum of `length`. */
  readonly slots: number;

  private constructor(slots: number, countsDrops: boolean, own: boolean) {
    this.slots = slots;
    this.#isOwn = own;
    this.#metadata = new Metadata(slots);
    this.#countsDrops = countsDrops;
  }

  /** @internal */
  static [make](slots: number, countsDrops: boolean, own: boolean): ReceivedBatch {
    return new ReceivedBatch(slots, countsDrops, own);
  }

  /** Whether it was made by `createReceiveBatch`. @internal */
  get [isOwn](): boolean {
    return this.#isOwn;
  }

  /** The number of datagrams; 0 if the batch is no longer valid. */
  get length(): number {
    return this.#length;
  }

  /** The memory that holds all datagrams: use it with `offset` and `byteLength` to avoid both copies and views. */
  get slab(): Uint8Array {
    return this.#valid().data;
  }

  /** The offset of datagram `i` in `slab`. */
  offset(i: number): number {
    return this.#at(i).stride * i;
  }

  /** Bytes of datagram `i`, or of the datagrams merged into it, without what was truncated. */
  byteLength(i: number): number {
    return this.#at(i).resultWords[RESULT_WORDS * i] ?? 0;
  }

  /** The bytes, as a view: not a copy, so do not keep it. */
  data(i: number): Uint8Array {
    const arena = this.#at(i);
    const length = arena.resultWords[RESULT_WORDS * i] ?? 0;
    const last = arena.views[i];
    if (last?.length === length) return last;
    const { data } = arena;
    return (arena.views[i] = new Uint8Array(data.buffer, data.byteOffset + arena.stride * i, length));
  }

  /** The sender. Usually the same object for the same peer, but use `sourceKey` to identify peers. */
  source(i: number): Endpoint {
    const endpoint = endpointAt(this.#at(i).nameWords, (NAME_SIZE >> 2) * i);
    if (endpoint === undefined)
      throw new SocketError('ERR_UNSUPPORTED', 'The datagram has no IP address as its source.');
    return endpoint;
  }

  /** A cheap string that is the same for the same peer (address, port, scope): a key for a Map, not readable text. */
  sourceKey(i: number): string {
    return keyAt(this.#at(i).nameWords, (NAME_SIZE >> 2) * i);
  }

  /**
   * The destination: address and port with `originalDestination`, the address and port 0 with `pktinfo`, otherwise
   * undefined. Multicast and broadcast addresses are shown as such.
   */
  destination(i: number): Endpoint | undefined {
    const arena = this.#at(i);
    const original = this.#metadata.get(arena, i, ORIGINAL_DESTINATION);
    if (original !== ABSENT) {
      // On an IPv6 socket the kernel reports the source as a mapped address, but this as an IPv4 address.
      const words = arena.controlWords;
      const at = original >> 2;
      if (!isIPv4At(words, at) || isIPv4At(arena.nameWords, (NAME_SIZE >> 2) * i)) return endpointAt(words, at);
      writeMapped(scratch, words, at);
      return endpointAt(scratch, 0);
    }
    return this.#packetInfo(arena, i, false);
  }

  /**
   * The local address to reply from, with port 0; needs `pktinfo`. It is `destination`, except for IPv4 multicast and
   * broadcast (the address of the interface) and IPv6 multicast (undefined).
   */
  local(i: number): Endpoint | undefined {
    return this.#packetInfo(this.#at(i), i, true);
  }

  /** The index of the interface that it arrived on, with `pktinfo`. */
  interface(i: number): number | undefined {
    return this.#number(i, INTERFACE);
  }

  /** The two ECN bits, with `ecn`: 0 not capable, 1 ECT(1), 2 ECT(0), 3 congestion experienced. RFC 3168. */
  ecn(i: number): number | undefined {
    const tos = this.#number(i, TOS);
    return tos === undefined ? undefined : tos & 3;
  }

  /** The whole type of service or traffic class, with `ecn`: 0 to 255. */
  tos(i: number): number | undefined {
    return this.#number(i, TOS);
  }

  /** Time to live or hop limit as it arrived, with `ttl`. */
  ttl(i: number): number | undefined {
    return this.#number(i, TTL);
  }

  /**
   * The size of the datagrams in `data(i)`, of which the last may be shorter. There can be more than one only with `gro`;
   * otherwise this is `byteLength(i)`.
   */
  segmentSize(i: number): number {
    const arena = this.#at(i);
    const length = arena.resultWords[RESULT_WORDS * i] ?? 0;
    const size = this.#metadata.get(arena, i, SEGMENT_SIZE);
    return size > 0 && size < length ? size : length;
  }

  /** How many datagrams `data(i)` holds: 1, or more with `gro`. */
  segments(i: number): number {
    const size = this.segmentSize(i);
    return size === 0 ? 1 : Math.ceil(this.byteLength(i) / size);
  }

  /** When the kernel received it, in nanoseconds since 1970, with `timestamps`. */
  timestamp(i: number): bigint | undefined {
    const arena = this.#at(i);
    const at = this.#metadata.get(arena, i, TIMESTAMP);
    if (at === ABSENT) return undefined;
    const { controlView: view } = arena;
    return view.getBigInt64(at, LITTLE_ENDIAN) * 1_000_000_000n + view.getBigInt64(at + 8, LITTLE_ENDIAN);
  }

  /**
   * How many datagrams this socket had dropped by the time this one was queued (its receive buffer was full), with
   * `dropCounter`. A 32-bit counter that wraps.
   */
  drops(i: number): number | undefined {
    const arena = this.#at(i);
    if ((this.#metadata.get(arena, i, PRESENT) & HAS_DROPS) !== 0) return this.#metadata.get(arena, i, DROPS) >>> 0;
    return this.#countsDrops ? 0 : undefined; // the kernel does not report zero
  }

  /** The mark set by the packet filter, with `receiveMark: true`. */
  mark(i: number): number | undefined {
    const arena = this.#at(i);
    if ((this.#metadata.get(arena, i, PRESENT) & HAS_MARK) === 0) return undefined;
    return this.#metadata.get(arena, i, MARK) >>> 0;
  }

  /** The MSG_* flags of recvmsg(2). */
  flags(i: number): number {
    return this.#at(i).resultWords[RESULT_WORDS * i + 3] ?? 0;
  }

  /** Whether it was longer than `maxDatagram`, so that the rest is lost (MSG_TRUNC); with `gro`, whole datagrams may be lost. */
  truncated(i: number): boolean {
    return (this.flags(i) & MSG_TRUNC) !== 0;
  }

  /** Whether there were more control messages than fit into `controlLength`, so that some metadata is missing (MSG_CTRUNC). */
  controlTruncated(i: number): boolean {
    return (this.flags(i) & MSG_CTRUNC) !== 0;
  }

  /** All control messages of datagram `i`, decoded, including those without an accessor. Allocates. */
  control(i: number): ReceivedControlMessage[] {
    const arena = this.#at(i);
    const start = arena.shape.controlSize * i;
    return decodeControl(
      arena.control.subarray(start, start + arena.shape.controlSize),
      arena.resultWords[RESULT_WORDS * i + 2],
    );
  }

  /** Receives into an arena. Returns the number of datagrams, or a negative errno; the batch is then empty. @internal */
  [fill](handle: Handle, arena: Arena): number {
    const got = handle.recvmmsg(arena.shape.slots, arena.data, arena.names, arena.control, arena.results);
    this[show](arena, Math.max(got, 0));
    return got;
  }

  /** Shows the first `length` slots of an arena. @internal */
  [show](arena: Arena, length: number): void {
    this.#arena = arena;
    this.#length = length;
    this.#metadata.next();
  }

  /** Invalidates the batch, and returns its arena. @internal */
  [empty](): Arena | undefined {
    const arena = this.#arena;
    this.#length = 0;
    this.#arena = undefined;
    return arena;
  }

  #packetInfo(arena: Arena, i: number, own: boolean): Endpoint | undefined {
    const { controlWords: words } = arena;
    const six = this.#metadata.get(arena, i, PACKET_INFO_6);
    if (six !== ABSENT) {
      if (own && isMulticast6(words[six >> 2] ?? 0)) return undefined;
      writeAddress6(scratch, words, six >> 2, this.#metadata.get(arena, i, INTERFACE));
      return endpointAt(scratch, 0);
    }
    const four = this.#metadata.get(arena, i, PACKET_INFO_4);
    if (four === ABSENT) return undefined;
    writeAddress4(scratch, words[(four >> 2) + (own ? 0 : 1)] ?? 0);
    return endpointAt(scratch, 0);
  }

  #number(i: number, field: number): number | undefined {
    const value = this.#metadata.get(this.#at(i), i, field);
    return value === ABSENT ? undefined : value;
  }

  #valid(): Arena {
    if (this.#arena === undefined) throw gone();
    return this.#arena;
  }

  #at(i: number): Arena {
    if (this.#arena === undefined) throw gone();
    if (!(i >= 0 && i < this.#length && Number.isInteger(i))) throw notThere(i, this.#length);
    return this.#arena;
  }
}

function gone(): SocketError {
  return new SocketError(
    'ERR_INVALID_STATE',
    'This batch is empty: it is valid until the callback of its event returns, or after receiveBatch has filled it.',
  );
}

function notThere(i: unknown, length: number): RangeError {
  return outOfRange('i', `an integer >= 0 and < ${length}`, i);
}

const scratch = new Uint32Array(8);
