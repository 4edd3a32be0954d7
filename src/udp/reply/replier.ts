// Replier: answers a datagram from the address, and the port, that it was sent to; the kernel by itself would take the address
// that its route to the peer has. docs/udp-replies.md has the table of the cases.
import { integer, invalidType } from '../../arguments.js';
import { SocketError, SyscallError } from '../../errors.js';
import { localEndpoint } from '../../options/local-endpoint.js';
import { Endpoint } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';
import { isWildcard } from '../../wire/wildcard.js';
import { ReceivedBatch } from '../receive/batch.js';
import type { MessageInfo } from '../receive/messages.js';
import type { ReplyRouter, SendBatch } from '../send/batch.js';
import { NOTHING, type ReplyOptions } from '../send/envelope.js';
import { checkData, type SendData } from '../send/data.js';
import type { Sender } from '../send/sender.js';
import type { SendStats } from '../send/transmit.js';
import { EgressSockets, type EgressContext, type EgressOptions } from './egress.js';
import { mayLeak, staysHere } from './loopback.js';
import { EAGAIN, EBADF, EINVAL, ENOTSUP, IPPROTO_IPV6, IPV6_FREEBIND } from '../../kernel/numbers.js';

/** What of a datagram an answer needs to know: the info of a 'message', or one's own of the same form. */
export type ReplyInfo = Pick<MessageInfo, 'source'> & Partial<Pick<MessageInfo, 'destination' | 'local' | 'interface'>>;

/** What replies a socket has made. */
export interface ReplyStats {
  /** Replies that were not sent, each a 'sendError'. Those that would have blocked are none. */
  readonly errors: number;
  /** Sockets that are open for replies from other ports. */
  readonly sockets: number;
}

export interface ReplyEvents {
  /**
   * A reply was not sent, and `reply` returned false: for whatever a peer can cause, an unreachable address or a source port
   * of 0. `reason` 'loopbackSource': it would have left this host with a loopback address as its source.
   */
  sendError: [error: SyscallError, info: ReplyInfo];
}

/** The socket, as far as its replies need it. */
export interface ReplyContext extends EgressContext {
  readonly family: Family;
  readonly sender: Sender;
  /** The socket was made to tell where a datagram was sent to. */
  readonly tellsDestination: boolean;
  onError(error: SyscallError, info: ReplyInfo): void;
}

export class Replier implements ReplyRouter {
  readonly #context: ReplyContext;
  readonly #egress: EgressSockets;
  #errors = 0;
  /** The own address, as far as it is known and stays: port 0 when it is not. */
  #own: Endpoint | undefined;
  #freebind: boolean;
  // Where the reply at hand goes, so that a route makes no object.
  #to: Endpoint | undefined;
  #from: Endpoint | undefined;
  #sender: Sender;

  constructor(context: ReplyContext, options: EgressOptions) {
    this.#context = context;
    this.#egress = new EgressSockets(context, options);
    this.#freebind = context.family === 'ipv4';
    this.#sender = context.sender;
  }

  get stats(): ReplyStats {
    return { errors: this.#errors, sockets: this.#egress.size };
  }

  /** What was sent from other ports. */
  get sent(): SendStats {
    return this.#egress.stats;
  }

  /** `udp.reply` of a message */
  reply(info: ReplyInfo, data: SendData, options: ReplyOptions = NOTHING): boolean {
    const { source, destination, local, interface: index } = checkInfo(info);
    return this.#reply(source, destination, local, index, data, options);
  }

  /** `udp.reply` of a batch */
  replyTo(received: ReceivedBatch, i: number, data: SendData, options: ReplyOptions = NOTHING): boolean {
    const [source, destination, local] = [received.source(i), received.destination(i), received.local(i)];
    return this.#reply(source, destination, local, received.interface(i), data, options);
  }

  add(batch: SendBatch, received: ReceivedBatch, i: number, data: Uint8Array, options: ReplyOptions): boolean {
    if (!(received instanceof ReceivedBatch)) throw invalidType('received', 'a received batch', received);
    const [source, destination, local, index] = [
      received.source(i),
      received.destination(i),
      received.local(i),
      received.interface(i),
    ];
    const { sender } = this.#context;
    try {
      this.#route(source, destination, local, index, options);
      if (this.#sender === sender) {
        sender.envelope.readReply(options, source, this.#from, this.#from?.scopeId ?? 0);
        return batch.addRead(data, destination);
      }
      if (!this.#send(data, options)) throw new SyscallError('sendmsg', EAGAIN, addressOf(source));
    } catch (error) {
      this.#handle(error, source, destination, local, index);
    }
    return true;
  }

  failed(error: SyscallError, source: Endpoint, destination: Endpoint | undefined): void {
    this.#handle(error, source, destination, undefined, undefined);
  }

  /** The socket has another address from now on. */
  moved(): void {
    this.#own = undefined;
  }

  close(): void {
    this.#own = undefined; // a later reply is to ask the descriptor, and to hear that it is closed
    this.#egress.close();
  }

  #reply(
    source: Endpoint,
    destination: Endpoint | undefined,
    local: Endpoint | undefined,
    index: number | undefined,
    data: SendData,
    options: ReplyOptions,
  ): boolean {
    const checked = checkData(data); // before anything is made for it
    try {
      this.#route(source, destination, local, index, options);
      return this.#send(checked, options);
    } catch (error) {
      this.#handle(error, source, destination, local, index);
      return false;
    }
  }

  #send(data: SendData, options: ReplyOptions): boolean {
    const [to, from] = [this.#to, this.#from];
    if (to === undefined) return false;
    return (
      this.#sender.tryReply(data, options, to, from, from?.scopeId ?? 0, (error) => {
        this.#lost(error, to, from);
      }) > 0
    );
  }

  /** The rest of a reply waited, and will not be sent. Nobody is there to catch anything: it is told, whatever it is. */
  #lost(error: unknown, source: Endpoint, destination: Endpoint | undefined): void {
    const known = error instanceof SyscallError && error.errno !== EBADF && error.address !== undefined;
    // Its socket was closed, perhaps for another one, or cannot be waited for: there was no room in time.
    const told = known ? error : new SyscallError('sendmsg', EAGAIN, { ...addressOf(source), cause: error });
    this.#handle(told, source, destination, undefined, undefined);
  }

  /** Which socket it goes from, and which address. @throws SyscallError, ERR_INVALID_STATE */
  #route(
    source: Endpoint,
    destination: Endpoint | undefined,
    local: Endpoint | undefined,
    index: number | undefined,
    options: ReplyOptions,
  ): void {
    const own = this.#ownAddress();
    // Of what came to many, `local` is the interface's own address, or there is none and the kernel has to find one.
    const from = local ?? (destination === undefined || isMany(destination) ? undefined : destination);
    const answers = from ?? own;
    if (from === undefined && destination === undefined && isWildcard(own)) throw this.#unknown(source);
    const port = destination === undefined || destination.port === 0 ? own.port : destination.port;
    if (mayLeak(answers, source, index)) {
      this.#check(options, source);
      const here = index === undefined && staysHere(this.#context.handle, source, port, options.mark);
      if (!here) throw loopbackSource(source, answers);
    }
    if (from !== undefined && port !== own.port) {
      this.#check(options, source); // wrong ones make no socket
      const sender = this.#egress.from(from.withPort(port));
      [this.#to, this.#from, this.#sender] = [source, undefined, sender];
      return;
    }
    this.#to = source;
    this.#sender = this.#context.sender;
    this.#from = from === undefined || from.address === own.address ? undefined : from;
    if (this.#from?.family === 'ipv6' && !this.#freebind) this.#setFreebind();
  }

  /** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_UNSUPPORTED */
  #check(options: ReplyOptions, source: Endpoint): void {
    this.#context.sender.envelope.readReply(options, source, undefined, 0);
  }

  /** Without it an IPv6 address that is local by a route only (AnyIP) is no source, while an IPv4 one is. */
  #setFreebind(): void {
    const result = this.#context.handle.setsockopt(IPPROTO_IPV6, IPV6_FREEBIND, 1);
    if (result < 0) throw new SyscallError('setsockopt', result, { option: 'IPV6_FREEBIND' });
    this.#freebind = true;
  }

  #ownAddress(): Endpoint {
    if (this.#own !== undefined) return this.#own;
    const own = localEndpoint(this.#context.handle);
    if (own.port !== 0) this.#own = own;
    return own;
  }

  #unknown(source: Endpoint): Error {
    if (this.#context.tellsDestination) {
      return new SyscallError('sendmsg', EINVAL, {
        ...addressOf(source),
        reason: 'unknownDestination',
        remedy: 'The kernel did not say where the datagram was sent to: controlLength is too small',
      });
    }
    return new SocketError(
      'ERR_INVALID_STATE',
      'The socket is bound to all addresses, and was not made to tell which of them a datagram was sent to, so nobody knows ' +
        'what to answer from. Create it with pktinfo: true, or with originalDestination: true for the port as well.',
    );
  }

  /** What the kernel, or the sender, means by an error. */
  #explain(error: unknown, source: Endpoint, answers = this.#own): unknown {
    // An option that only IPv6 has (dontFragment), on an IPv6 socket: that this peer is an IPv4 one is the peer's doing.
    if (error instanceof SocketError && error.code === 'ERR_UNSUPPORTED') {
      if (source.family === 'ipv6' || this.#context.family === 'ipv4') return error;
      return new SyscallError('sendmsg', ENOTSUP, { ...addressOf(source), reason: 'notForIPv4', cause: error });
    }
    const loopback = answers !== undefined && isLoopback4(answers) && !isLoopback4(source);
    if (!(error instanceof SyscallError) || error.errno !== EINVAL || !loopback) return error;
    return loopbackSource(source, answers);
  }

  /** What a peer can have caused is told; what the caller has is thrown. */
  #handle(
    error: unknown,
    source: Endpoint,
    destination: Endpoint | undefined,
    local: Endpoint | undefined,
    index: number | undefined,
  ): void {
    const told = this.#explain(error, source, local ?? destination);
    if (!(told instanceof SyscallError) || told.errno === EBADF) throw error;
    this.#errors++;
    this.#context.onError(told, { source, destination, local, interface: index });
  }
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
function checkInfo(info: ReplyInfo): {
  source: Endpoint;
  destination: Endpoint | undefined;
  local: Endpoint | undefined;
  interface: number | undefined;
} {
  if (typeof info !== 'object' || info === null) {
    throw invalidType('info', "the info of a 'message', or a received batch and an index", info);
  }
  const { source, destination, local, interface: index } = info;
  return {
    source: Endpoint.from(source, 'info.source'),
    destination: destination === undefined ? undefined : Endpoint.from(destination, 'info.destination'),
    local: local === undefined ? undefined : Endpoint.from(local, 'info.local'),
    interface: index === undefined ? undefined : integer('info.interface', index, 0, 2 ** 31 - 1),
  };
}

function loopbackSource(to: Endpoint, from: Endpoint): SyscallError {
  return new SyscallError('sendmsg', EINVAL, {
    ...addressOf(to),
    localAddress: from.address,
    localPort: from.port,
    reason: 'loopbackSource',
    remedy: 'It would leave with a loopback address as its source; create the socket with pktinfo: true',
  });
}

function addressOf({ address, port }: Endpoint): { address: string; port: number } {
  return { address, port };
}

function isLoopback4({ family, address }: Endpoint): boolean {
  return family === 'ipv4' && address.startsWith('127.');
}

/** Multicast and the broadcast address; the broadcast addresses of subnets look like any other. */
function isMany({ family, address }: Endpoint): boolean {
  if (family === 'ipv6') return address.startsWith('ff');
  return (Number.parseInt(address, 10) >= 224 && Number.parseInt(address, 10) < 240) || address === '255.255.255.255';
}
