// Sender: the sending side of a UDP socket: at once (trySend), as soon as there is room (send), or in batches.
import { EAGAIN, EINVAL, EIO } from '../../kernel/numbers.js';
import { invalidType, invalidValue } from '../../arguments.js';
import { SyscallError } from '../../errors.js';
import type { Endpoint } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';
import { contents, make } from '../internal.js';
import { SendBatch } from './batch.js';
import { nothingToCut, type BatchOwner, type ReplyRouter, type SendBatchOptions } from './batch-contents.js';
import { ADDRESS_ROOM, BESIDE_ROOM, Memory, SEGMENT_CONTROL, writeSegment } from './control.js';
import { Envelope, NOTHING, type ReplyOptions, type ReplyRoute, type SendOptions } from './envelope.js';
import { mayBePending } from '../pending-errors.js';
import { sendError, type Failed } from './errnos.js';
import { GsoPolicy, type GsoDisabled } from './gso.js';
import { checkSenderOptions, type SenderOptions } from './options.js';
import { Backlog } from './backlog.js';
import { checkData, isList, isWhole, lengthOf, rest, type SendData } from './data.js';
import { SendQueue } from './queue.js';
import { Records, type Messages } from './records.js';
import { fitsOneMessage, hasEqualTail, messageBytes, payloadLimit } from './segments.js';
import { rejected } from './promises.js';
import { Transmitter, type SendHandle, type SendStats } from './transmit.js';

/** The events of sending, with their arguments. They are emitted in a later turn, never inside a call. */
export interface SendEvents {
  /** The queue of `send` was filled beyond its high water mark, and is now empty. */
  drain: [];
  /** Segmentation offload is no longer used for a destination, or for all. */
  gsoDisabled: [event: GsoDisabled];
  /** An ICMP error for an earlier datagram was reported by a later send, which was then repeated. */
  pendingError: [error: SyscallError];
}

/** What a Sender needs from its socket. */
export interface SendContext {
  readonly handle: SendHandle;
  readonly family: Family;
  connectedTo(): Endpoint | undefined;
  /** Resolves when there may be room; rejects if the socket is closed. */
  writable(): Promise<void>;
  emit<E extends keyof SendEvents>(event: E, ...args: SendEvents[E]): unknown;
}

export class Sender implements BatchOwner {
  readonly envelope: Envelope;
  readonly family: Family;
  readonly sentinel: boolean;
  /** Set by the socket. */
  replies: ReplyRouter | undefined;
  readonly #context: SendContext;
  readonly #handle: SendHandle;
  readonly #gso: GsoPolicy;
  readonly #transmitter: Transmitter;
  readonly #backlog: Backlog;
  /** The address and control messages of the current send; UDP_SEGMENT is at offset 32, followed by the others. */
  readonly #beside = new Memory(BESIDE_ROOM);
  /** The destination whose address was written last. */
  #written: Endpoint | undefined;
  readonly #records = new Records(CHUNK);
  #pendingErrorReported = true;

  /** @param now milliseconds of a monotonic clock @throws ERR_UNSUPPORTED, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
  constructor(context: SendContext, options: SenderOptions = {}, now: () => number = () => performance.now()) {
    this.#context = context;
    this.#handle = context.handle;
    this.family = context.family;
    const { sendHighWaterMark, maxQueueBytes, segmentSize } = checkSenderOptions(options);
    this.envelope = new Envelope({
      handle: context.handle,
      family: context.family,
      segmentSize,
      connectedTo: () => context.connectedTo(),
    });
    this.#backlog = new Backlog(new SendQueue(sendHighWaterMark, maxQueueBytes), {
      envelope: this.envelope,
      attempt: (data, length) => this.#attempt(data, length),
      writable: () => context.writable(),
      onDrain: () => context.emit('drain'),
    });
    this.#gso = new GsoPolicy(this.#handle, options, (event) => this.#notify('gsoDisabled', event), now);
    this.sentinel = this.#gso.equalTail === 'sentinel';
    this.#transmitter = new Transmitter(this.#handle, this.#gso, (errno) => this.#onPendingError(errno));
  }

  get stats(): SendStats {
    return this.#transmitter.stats;
  }

  get queuedBytes(): number {
    return this.#backlog.bytes;
  }

  get writableNeedDrain(): boolean {
    return this.#backlog.needsDrain;
  }

  connectedTo(): Endpoint | undefined {
    return this.#context.connectedTo();
  }

  /** `UdpSocket.trySend` */
  trySend(data: SendData, options: SendOptions = NOTHING): number {
    const checked = checkData(data);
    this.envelope.read(options); // first, since getters of the options run the caller's code, which may send as well
    const length = lengthNow(checked, options);
    if (length === 0 && this.envelope.namesSegmentSize) throw nothingToCut();
    return this.#backlog.size > 0 ? 0 : this.#attempt(checked, length);
  }

  /**
   * `trySend` of a reply. If the kernel takes only a part of it, the rest is queued.
   * @param lost called if the rest fails; must not throw
   */
  tryReply(data: SendData, options: ReplyOptions, route: ReplyRoute, lost: (error: unknown) => void): number {
    const checked = checkData(data);
    this.envelope.readReply(options, route);
    const length = lengthNow(checked, options);
    if (length === 0 && this.envelope.namesSegmentSize) throw nothingToCut();
    if (this.#backlog.size > 0) return 0;
    const sent = this.#attempt(checked, length);
    if (sent > 0 && !isWhole(sent, length)) {
      const copy = Uint8Array.from(rest(checked, sent));
      this.#backlog.push(copy, copy.length, 0).catch(lost);
    }
    return sent;
  }

  /** `UdpSocket.send` */
  send(data: SendData, options: SendOptions = NOTHING): Promise<void> {
    try {
      const checked = checkData(data);
      this.envelope.read(options);
      const length = lengthNow(checked, options);
      if (length === 0 && this.envelope.namesSegmentSize) throw nothingToCut();
      const sent = this.#backlog.size > 0 ? 0 : this.#attempt(checked, length);
      return isWhole(sent, length) ? Promise.resolve() : this.#backlog.push(checked, length, sent);
    } catch (error) {
      return rejected(error as Error);
    }
  }

  /** Resolves when there may be room for another send: the queue is empty, and the socket is writable. */
  async writable(): Promise<void> {
    await this.#backlog.flushed();
    await this.#context.writable();
  }

  /** `UdpSocket.createSendBatch` */
  createSendBatch(options: SendBatchOptions = {}): SendBatch {
    return SendBatch[make](this, options);
  }

  /** `UdpSocket.sendBatch` */
  sendBatch(sendBatch: SendBatch): number {
    if (!(sendBatch instanceof SendBatch)) throw invalidType('batch', 'a SendBatch', sendBatch);
    const batch = sendBatch[contents];
    if (batch.owner !== this) throw invalidValue('batch', sendBatch, 'it belongs to another socket');
    if (this.#backlog.size > 0 || batch.remaining === 0) return 0;
    const { messages, length } = batch;
    let completed = 0;
    for (;;) {
      const sent = this.#transmitter.transmit(messages, batch.position, length);
      batch.position += sent;
      completed += sent;
      const reply = this.#transmitter.errno === 0 ? undefined : batch.replyAtPosition;
      if (reply === undefined) break;
      // The peer may have caused it, so report it and continue with the other messages.
      const source = messages.target(batch.position);
      if (source !== undefined) {
        this.replies?.failed(this.#failure(messages, batch.position, undefined), source, reply.destination);
      }
      batch.skip();
      if (batch.remaining === 0) return completed;
    }
    if (completed === 0 && this.#transmitter.errno !== 0) throw this.#failure(messages, batch.position, undefined);
    return completed;
  }

  bytesPerMessage(length: number, segmentSize: number, ipv4: boolean): number {
    const { maxSegments } = this.#gso;
    const maxBytes = payloadLimit(ipv4);
    const tail = this.sentinel && hasEqualTail(length, segmentSize);
    if (!tail && fitsOneMessage(length, segmentSize, maxSegments, maxBytes)) return length;
    return messageBytes(segmentSize, maxSegments, maxBytes, this.sentinel);
  }

  /** Rejects the queued sends. Must be called before the descriptor is closed. */
  close(): void {
    this.#backlog.close();
  }

  /** Sends data with the options in `envelope`. Returns bytes sent, 1 for an empty datagram, 0 if it would block. */
  #attempt(data: SendData, length: number): number {
    const { envelope } = this;
    const { segmentSize, to } = envelope;
    const cut = segmentSize !== 0 && length > segmentSize;
    if (cut && !this.#isOneMessage(length, segmentSize)) return this.#inMessages(data, length, 0);
    const start = cut ? ADDRESS_ROOM : PLAIN;
    let result: number;
    if (isList(data)) result = this.#gather(data, start, cut);
    else if (cut || envelope.hasControl) {
      const addressLength = to === undefined ? 0 : this.#writeAddress(to);
      const controlLength = this.#writeControl(cut ? segmentSize : 0) - start;
      result = this.#handle.sendto(data, this.#beside.bytes, addressLength, start, controlLength);
    } else if (to === undefined) result = this.#handle.sendto(data);
    else result = this.#handle.sendto(data, to.sockaddr(this.family));
    const transmitter = this.#transmitter;
    transmitter.stats.syscalls++;
    if (result >= 0) {
      transmitter.count(length, cut ? segmentSize : 0);
      return length === 0 ? 1 : length;
    }
    if (result === EAGAIN) {
      transmitter.errno = 0;
      transmitter.blocked();
      if (transmitter.errno === 0) return 0;
    } else if (mayBePending(result)) return this.#inMessages(data, length, result);
    else if (result === EIO || result === EINVAL) return this.#inMessages(data, length, 0);
    throw this.#error(result, {
      destination: envelope.destination,
      control: this.#beside.bytes.slice(PLAIN, envelope.writeControl(this.#beside, PLAIN)),
      length: segmentSize === 0 ? length : Math.min(length, segmentSize),
      isCut: cut,
      bytesSent: 0,
    });
  }

  /** Whether data with a segment size can be sent with one call. */
  #isOneMessage(length: number, segmentSize: number): boolean {
    if (this.#gso.equalTail !== 'offload' && hasEqualTail(length, segmentSize)) return false;
    const { envelope } = this;
    return (
      fitsOneMessage(length, segmentSize, this.#gso.maxSegments, payloadLimit(envelope.ipv4)) &&
      this.#gso.allows(envelope.destination)
    );
  }

  /** The same with sendmmsg, for data that needs several messages or was refused as one. */
  #inMessages(data: SendData, length: number, pending: number): number {
    const { envelope } = this;
    const { segmentSize, to, ipv4 } = envelope;
    const whole = isList(data) ? Buffer.concat(data) : data;
    const cut = segmentSize !== 0 && length > segmentSize;
    const addressLength = to === undefined ? 0 : this.#writeAddress(to);
    const end = this.#writeControl(cut ? segmentSize : 0);
    const most = cut ? this.bytesPerMessage(length, segmentSize, ipv4) : length;
    const records = this.#records;
    const destination = envelope.destination;
    const messages: Messages = { data: whole, beside: this.#beside, records, target: () => destination };
    const transmitter = this.#transmitter;
    let sent = 0;
    let suspect = pending;
    do {
      let count = 0;
      for (let offset = sent; count < CHUNK && (offset < length || length === 0); offset += most) {
        const size = Math.min(most, length - offset);
        const segmented = cut && size > segmentSize;
        const tail = segmented && this.sentinel && hasEqualTail(size, segmentSize);
        const start = segmented ? ADDRESS_ROOM : PLAIN;
        records.set(count++, offset, size, 0, addressLength, start, end - start, tail, segmented ? segmentSize : 0);
        if (length === 0) break;
      }
      const completed = transmitter.transmit(messages, 0, count, suspect);
      suspect = 0;
      sent += transmitter.bytes;
      if (completed === count) continue;
      if (sent === 0 && transmitter.errno !== 0) throw this.#failure(messages, 0, segmentSize);
      return sent;
    } while (sent < length);
    return length === 0 ? 1 : sent;
  }

  /** Sends several buffers as one message. */
  #gather(data: readonly Uint8Array[], start: number, cut: boolean): number {
    const address = this.envelope.to?.sockaddr(this.family) ?? EMPTY;
    const control = this.#beside.bytes.subarray(start, this.#writeControl(cut ? this.envelope.segmentSize : 0));
    return this.#handle.sendmsg(data, address, control, 0);
  }

  /** Writes the address to where calls with control messages expect it; returns its length. */
  #writeAddress(to: Endpoint): number {
    const sockaddr = to.sockaddr(this.family);
    if (to !== this.#written) {
      this.#beside.bytes.set(sockaddr);
      this.#written = to;
    }
    return sockaddr.length;
  }

  /** Writes the control messages and returns their end; they begin at ADDRESS_ROOM with UDP_SEGMENT, and at PLAIN without. */
  #writeControl(segmentSize: number): number {
    writeSegment(this.#beside, ADDRESS_ROOM, segmentSize);
    return this.envelope.writeControl(this.#beside, PLAIN);
  }

  /** The error of the message at which the transmitter stopped. */
  #failure(messages: Messages, index: number, segmentSize: number | undefined): SyscallError {
    const { records } = messages;
    const segment = segmentSize ?? records.segment(index);
    const length = segment === 0 ? records.length(index) : Math.min(segment, records.length(index));
    const destination = messages.target(index);
    const control = messages.beside.bytes.slice(...records.control(index));
    const isCut = records.segment(index) !== 0;
    return this.#error(this.#transmitter.errno, {
      ...{ destination, control, length, isCut },
      bytesSent: this.#transmitter.bytes,
    });
  }

  #error(errno: number, { isCut, ...failed }: FailedSend): SyscallError {
    const remote = this.#context.connectedTo();
    const connected = remote !== undefined && failed.destination?.equals(remote) === true;
    const gsoRequired = isCut && this.#gso.mode === 'require';
    return sendError(errno, { ...failed, handle: this.#handle, family: this.family, connected, gsoRequired });
  }

  #onPendingError(errno: number): void {
    if (!this.#pendingErrorReported) return; // once per turn: a peer can cause any number of them
    this.#pendingErrorReported = false;
    const remote = this.connectedTo();
    const error = new SyscallError('sendmsg', errno, { address: remote?.address, port: remote?.port });
    setImmediate(() => {
      this.#pendingErrorReported = true;
      this.#context.emit('pendingError', error);
    });
  }

  /** Emits in a later turn: an error thrown by a listener must not look like a failed send. */
  #notify<E extends keyof SendEvents>(event: E, ...args: SendEvents[E]): void {
    setImmediate(() => this.#context.emit(event, ...args));
  }
}

interface FailedSend extends Pick<Failed, 'destination' | 'control' | 'length' | 'bytesSent'> {
  /** Whether it was a message of several segments. */
  readonly isCut: boolean;
}

const EMPTY = new Uint8Array(0);
/** The offset of the control messages after UDP_SEGMENT. */
const PLAIN = ADDRESS_ROOM + SEGMENT_CONTROL;
/** Messages per call of sendmmsg. */
const CHUNK = 64;

/** Getters of the options run the caller's code, which may have detached the data's buffer, or shrunk it. */
function lengthNow(data: SendData, options: object): number {
  return lengthOf(options === NOTHING ? data : checkData(data));
}
