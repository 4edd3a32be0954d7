// Replier: replies to a datagram from the address and port that it was sent to. By default the kernel would use the address
// of its route to the peer. docs/udp-replies.md has a table of the cases.
import { integer, invalidType } from '../../arguments.js';
import { SocketError, SyscallError } from '../../errors.js';
import { intOption } from '../../kernel/int-option.js';
import { localEndpoint } from '../../options/local-endpoint.js';
import { setsockoptError } from '../../options/set-error.js';
import { Endpoint } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';
import { isWildcard } from '../../wire/wildcard.js';
import { ReceivedBatch } from '../receive/batch.js';
import type { MessageInfo } from '../receive/messages.js';
import type { BatchContents, ReplyRouter } from '../send/batch-contents.js';
import { indexOf, NOTHING, type ReplyOptions, type ReplyRoute } from '../send/envelope.js';
import { checkData, type SendData } from '../send/data.js';
import type { Sender } from '../send/sender.js';
import type { SendStats } from '../send/transmit.js';
import { EgressSockets, type EgressContext, type EgressOptions } from './egress.js';
import { mayLeak, staysHere } from './loopback.js';
import { EAGAIN, EBADF, EINVAL, ENOTSUP, IPPROTO_IPV6, IPV6_FREEBIND, IPV6_TRANSPARENT } from '../../kernel/numbers.js';

/** What a reply needs to know about a datagram: the info of a 'message', or an object with the same properties. */
export type ReplyInfo = Pick<MessageInfo, 'source'> & Partial<Pick<MessageInfo, 'destination' | 'local' | 'interface'>>;

/** Counters of the replies of a socket. */
export interface ReplyStats {
  /** Replies that failed, each with a 'sendError'. Those that would have blocked are not counted. */
  readonly errors: number;
  /** Open sockets for replies from other ports. */
  readonly sockets: number;
}

export interface ReplyEvents {
  /**
   * A reply failed, and `reply` returned false: for errors that a peer can cause, such as an unreachable address or a
   * source port of 0. `reason` is 'loopbackSource' if it would have left this host with a loopback address as its source.
   */
  sendError: [error: SyscallError, info: ReplyInfo];
}

/** What replies need of their socket. */
export interface ReplyContext extends EgressContext {
  readonly family: Family;
  readonly sender: Sender;
  /** Whether the socket was created to report the destination of datagrams. */
  readonly reportsDestination: boolean;
  onError(error: SyscallError, info: ReplyInfo): void;
}

export class Replier implements ReplyRouter {
  readonly #context: ReplyContext;
  readonly #egress: EgressSockets;
  #errors = 0;
  /** The local address, cached once it has a port. */
  #own: Endpoint | undefined;
  #freebind: boolean;

  constructor(context: ReplyContext, options: EgressOptions) {
    this.#context = context;
    this.#egress = new EgressSockets(context, options);
    this.#freebind = context.family === 'ipv4';
  }

  get stats(): ReplyStats {
    return { errors: this.#errors, sockets: this.#egress.size };
  }

  /** Counters of replies sent from other ports. */
  get sent(): SendStats {
    return this.#egress.stats;
  }

  /** `udp.reply` of a message */
  reply(info: ReplyInfo, data: SendData, options: ReplyOptions = NOTHING): boolean {
    return this.#reply(checkInfo(info), data, options);
  }

  /** `udp.reply` of a batch */
  replyTo(received: ReceivedBatch, i: number, data: SendData, options: ReplyOptions = NOTHING): boolean {
    return this.#reply(infoOf(received, i), data, options);
  }

  add(batch: BatchContents, received: ReceivedBatch, i: number, data: Uint8Array, options: ReplyOptions): boolean {
    if (!(received instanceof ReceivedBatch)) throw invalidType('received', 'a received batch', received);
    const info = infoOf(received, i);
    const { sender } = this.#context;
    try {
      const route = this.#routeOf(info, options);
      if (route.sender === sender) {
        sender.envelope.readReply(options, route);
        return batch.addReply(data, info.destination);
      }
      if (!this.#send(data, options, route)) throw new SyscallError('sendmsg', EAGAIN, addressOf(info.source));
    } catch (error) {
      this.#report(error, info);
    }
    return true;
  }

  failed(error: SyscallError, source: Endpoint, destination: Endpoint | undefined): void {
    this.#report(error, { source, destination, local: undefined, interface: undefined });
  }

  /** Called when the local address of the socket changes. */
  moved(): void {
    this.#own = undefined;
  }

  close(): void {
    this.#own = undefined; // a later reply fails with EBADF
    this.#egress.close();
  }

  #reply(info: Answered, data: SendData, options: ReplyOptions): boolean {
    const checked = checkData(data); // before a socket is created for it
    try {
      return this.#send(checked, options, this.#routeOf(info, options));
    } catch (error) {
      this.#report(error, info);
      return false;
    }
  }

  #send(data: SendData, options: ReplyOptions, route: Route): boolean {
    return route.sender.tryReply(data, options, route, (error) => this.#lost(error, route)) > 0;
  }

  /** The queued rest of a reply failed. There is no caller to throw to, so any error is reported. */
  #lost(error: unknown, { to, from }: Route): void {
    const known = error instanceof SyscallError && error.errno !== EBADF && error.address !== undefined;
    // Its socket was closed, perhaps to make room for another one, or cannot be polled.
    const reported = known ? error : new SyscallError('sendmsg', EAGAIN, { ...addressOf(to), cause: error });
    this.#report(reported, { source: to, destination: from, local: undefined, interface: undefined });
  }

  /** The socket and the address that a reply leaves from. @throws SyscallError, ERR_INVALID_STATE */
  #routeOf(info: Answered, options: ReplyOptions): Route {
    const { source, destination, local, interface: index } = info;
    // A forged source: the kernel takes 0.0.0.0 and :: for this host, and would deliver the reply to its own services.
    if (isWildcard(source) || isMany(source)) throw notUnicast(source);
    const leavesBy = this.#interfaceOf(info, options);
    const own = this.#ownAddress();
    // For multicast and broadcast, `local` is the address of the interface, or undefined, and the kernel picks one.
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
      this.#check(options, source); // invalid options must not create a socket
      return { to: source, from: undefined, interface: leavesBy, sender: this.#egress.from(from.withPort(port)) };
    }
    const other = from === undefined || from.address === own.address ? undefined : from;
    if (other?.family === 'ipv6' && !this.#freebind) this.#setFreebind();
    return { to: source, from: other, interface: leavesBy, sender: this.#context.sender };
  }

  /** The index of the interface that the reply must leave by; 0 for that of the route. */
  #interfaceOf({ source, interface: arrival }: Answered, options: ReplyOptions): number {
    const { interface: wanted = source.family === 'ipv4' && source.address.startsWith('169.254.') } =
      typeof options === 'object' && options !== null ? options : NOTHING_ELSE;
    if (wanted === false) return 0;
    if (wanted !== true) return indexOf(wanted, 'options.interface');
    if (arrival !== undefined) return arrival;
    if (options.interface === undefined) return 0;
    throw new SocketError(
      'ERR_INVALID_STATE',
      'The socket does not report the interface that a datagram arrived on: create it with pktinfo: true.',
    );
  }

  /** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_UNSUPPORTED */
  #check(options: ReplyOptions, source: Endpoint): void {
    this.#context.sender.envelope.readReply(options, { to: source, from: undefined, interface: 0 });
  }

  /** Without IPV6_FREEBIND an IPv6 address that is only routed locally (AnyIP) cannot be a source, while an IPv4 one can. */
  #setFreebind(): void {
    const { handle } = this.#context;
    if (FREE.some((option) => intOption(handle, IPPROTO_IPV6, option) === 1)) {
      this.#freebind = true; // by the user, who may send from any address
      return;
    }
    const result = handle.setsockopt(IPPROTO_IPV6, IPV6_FREEBIND, 1);
    if (result < 0) throw setsockoptError('IPV6_FREEBIND', result, undefined);
    this.#freebind = true;
    this.#context.sender.envelope.requireLocalSources();
  }

  #ownAddress(): Endpoint {
    if (this.#own !== undefined) return this.#own;
    const own = localEndpoint(this.#context.handle);
    if (own.port !== 0) this.#own = own;
    return own;
  }

  #unknown(source: Endpoint): Error {
    if (this.#context.reportsDestination) {
      return new SyscallError('sendmsg', EINVAL, {
        ...addressOf(source),
        reason: 'unknownDestination',
        remedy: 'The kernel did not report where the datagram was sent to: controlLength is too small',
      });
    }
    return new SocketError(
      'ERR_INVALID_STATE',
      'The socket is bound to all addresses and does not report which of them a datagram was sent to, so the source ' +
        'of a reply is unknown. Create it with pktinfo: true, or with originalDestination: true for the port as well.',
    );
  }

  /** An error, adapted for a reply. */
  #explain(error: unknown, source: Endpoint, answers = this.#own): unknown {
    // An IPv6-only option (dontFragment) on an IPv6 socket: the caller cannot know that this peer uses IPv4.
    if (error instanceof SocketError && error.code === 'ERR_UNSUPPORTED') {
      if (source.family === 'ipv6' || this.#context.family === 'ipv4') return error;
      return new SyscallError('sendmsg', ENOTSUP, { ...addressOf(source), reason: 'notForIPv4', cause: error });
    }
    const loopback = answers !== undefined && isLoopback4(answers) && !isLoopback4(source);
    if (!(error instanceof SyscallError) || error.errno !== EINVAL || error.reason !== undefined || !loopback)
      return error;
    return loopbackSource(source, answers);
  }

  /** Reports errors that a peer can cause, and throws those of the caller. */
  #report(error: unknown, info: Answered): void {
    const reported = this.#explain(error, info.source, info.local ?? info.destination);
    if (!(reported instanceof SyscallError) || reported.errno === EBADF) throw error;
    this.#errors++;
    this.#context.onError(reported, info);
  }
}

/** The datagram that is replied to. */
type Answered = Required<ReplyInfo>;

interface Route extends ReplyRoute {
  /** The sender of the socket that it is sent from. */
  readonly sender: Sender;
}

function infoOf(received: ReceivedBatch, i: number): Answered {
  return {
    source: received.source(i),
    destination: received.destination(i),
    local: received.local(i),
    interface: received.interface(i),
  };
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
function checkInfo(info: ReplyInfo): Answered {
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

function notUnicast(to: Endpoint): SyscallError {
  return new SyscallError('sendmsg', EINVAL, {
    ...addressOf(to),
    reason: 'notUnicast',
    remedy: 'No host can have this address, so the datagram is forged, and no reply is sent',
  });
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

/** With each of them the kernel accepts any source. */
const FREE = [IPV6_FREEBIND, IPV6_TRANSPARENT] as const;
const NOTHING_ELSE: ReplyOptions = {};

/** Multicast addresses and 255.255.255.255; broadcast addresses of subnets cannot be recognised. */
function isMany({ family, address }: Endpoint): boolean {
  if (family === 'ipv6') return address.startsWith('ff');
  return (Number.parseInt(address, 10) >= 224 && Number.parseInt(address, 10) < 240) || address === '255.255.255.255';
}
