// Egress sockets: a socket can send from an address that it is not bound to (IP_PKTINFO), but not from another port.
// Datagrams that arrived for another port (TPROXY, sk_lookup) are replied to by a socket that is bound to it.
import { native, type Handle } from '../../binding.js';
import { BoundedMap } from '../../bounded-map.js';
import { check, SyscallError } from '../../errors.js';
import { callError, refusalError } from '../../source/explain.js';
import { udpAsked } from '../asked.js';
import type { SyscallContext } from '../../errors.js';
import { Endpoint } from '../../wire/endpoint.js';
import { familyNumber, type Family } from '../../wire/families.js';
import type { SenderOptions } from '../send/options.js';
import { Sender, type SendEvents } from '../send/sender.js';
import type { SendStats } from '../send/transmit.js';
import { inheritSending } from './inherited.js';
import { EAGAIN, SOCK_DGRAM } from '../../kernel/numbers.js';
import { isUnicast } from '../../kernel/unicast.js';
import { encodeOption } from '../../options/access.js';
import { encodeLocalOptions } from '../../source/local-options.js';

export interface EgressOptions {
  /**
   * The maximum number of sockets for replies from other ports, one for each address and port that they are sent from. The least
   * recently used one is closed to make room for a new one. @default 256
   */
  readonly replySockets?: number | undefined;
  /** Milliseconds without use after which such a socket is closed. @default 30000 */
  readonly replySocketTimeout?: number | undefined;
}

/** The socket whose replies they send. */
export interface EgressContext {
  readonly handle: Handle;
  readonly senderOptions: SenderOptions;
  emit<E extends keyof SendEvents>(event: E, ...args: SendEvents[E]): unknown;
}

interface Egress {
  readonly handle: Handle;
  readonly sender: Sender;
  lastUsed: number;
}

/** The egress sockets of one UdpSocket, by the address and port that they are bound to. */
export class EgressSockets {
  readonly #context: EgressContext;
  readonly #timeout: number;
  readonly #sockets: BoundedMap<string, Egress>;
  readonly #past: Record<keyof SendStats, number> = {
    ...{ datagrams: 0, bytes: 0, syscalls: 0, blocked: 0, pendingErrors: 0, gsoFallbacks: 0 },
  };
  #timer: NodeJS.Timeout | undefined;

  constructor(context: EgressContext, options: EgressOptions) {
    this.#context = context;
    this.#timeout = options.replySocketTimeout ?? 30_000;
    this.#sockets = new BoundedMap(options.replySockets ?? 256, {
      touchOnGet: true,
      onEvict: (egress) => this.#close(egress),
    });
  }

  /** How many there are. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Counters of all of them, including those that are closed. */
  get stats(): SendStats {
    const sum = { ...this.#past };
    for (const [, { sender }] of this.#sockets) addStats(sum, sender.stats);
    return sum;
  }

  /** The sender for this address and port; its socket is created if needed. @throws SyscallError */
  from(source: Endpoint): Sender {
    const key = source.toString();
    const known = this.#sockets.get(key);
    if (known !== undefined) {
      known.lastUsed = performance.now();
      return known.sender;
    }
    this.#sockets.makeRoom(); // before a descriptor is opened
    const egress = this.#open(source);
    this.#sockets.set(key, egress);
    this.#timer ??= setInterval(() => this.#closeIdle(), this.#timeout).unref();
    return egress.sender;
  }

  close(): void {
    for (const [key, egress] of [...this.#sockets]) this.#remove(key, egress);
  }

  #open(source: Endpoint): Egress {
    const { family } = source;
    // bind(2) accepts a broadcast address, and the datagrams would leave from another one.
    if (!isUnicast(source.address)) {
      throw refusalError('replyFromMany', { ...udpAsked(family), local: source.address, port: source.port });
    }
    const handle = new (native().Handle)();
    const context: SyscallContext = { address: source.address, port: source.port };
    check('socket', handle.socket(familyNumber(family), SOCK_DGRAM, 0), context);
    try {
      inheritSending(this.#context.handle, handle, family);
      const shared = encodeOption('SO_REUSEADDR', true);
      for (const { option, level, name, value } of [...encodeLocalOptions({ freebind: true }, family), shared]) {
        check('setsockopt', handle.setsockopt(level, name, value), { ...context, option });
      }
      const bound = handle.bind(source.transientSockaddr(family));
      if (bound < 0) throw callError('bind', bound, { ...udpAsked(family), local: source.address, port: source.port });
      this.#deafen(handle, source, family, context);
      return { handle, sender: this.#senderOf(handle, family), lastUsed: performance.now() };
    } catch (error) {
      handle.close();
      throw error;
    }
  }

  /**
   * Connects the socket to an address that never sends, so that it receives nothing. If it were only bound, it would take
   * datagrams from the socket that it replies for; if it were connected to the peer, it would receive all later datagrams
   * of the peer, even with TPROXY and sk_lookup. A connected UDP socket can still send to other destinations.
   */
  #deafen(handle: Handle, source: Endpoint, family: Family, context: SyscallContext): void {
    // A socket on a link-local address, or bound to a device, cannot reach loopback, so it is connected to itself.
    if (handle.connect(NOBODY[family].sockaddr(family)) >= 0) return;
    check('connect', handle.connect(source.transientSockaddr(family)), context);
  }

  #senderOf(handle: Handle, family: Family): Sender {
    return new Sender(
      {
        handle,
        family,
        connectedTo: () => undefined,
        // It is not polled: data that cannot be sent at once is dropped and reported.
        writable: () => Promise.reject(new SyscallError('sendmsg', EAGAIN)),
        emit: (event, ...args) => this.#context.emit(event, ...args),
      },
      this.#context.senderOptions,
    );
  }

  #closeIdle(): void {
    const latest = performance.now() - this.#timeout;
    for (const [key, egress] of this.#sockets) {
      if (egress.lastUsed > latest) break;
      this.#remove(key, egress);
    }
  }

  #remove(key: string, egress: Egress): void {
    this.#sockets.delete(key);
    this.#close(egress);
  }

  #close({ sender, handle }: Egress): void {
    addStats(this.#past, sender.stats);
    sender.close();
    handle.close();
    if (this.#sockets.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Adds counters to counters. */
export function addStats(sum: Record<keyof SendStats, number>, stats: SendStats): SendStats {
  for (const name of Object.keys(sum) as (keyof SendStats)[]) sum[name] += stats[name];
  return sum;
}

/** The port of the discard protocol, which nothing sends from. */
const NOBODY: Readonly<Record<Family, Endpoint>> = {
  ipv4: Endpoint.from('127.0.0.1:9'),
  ipv6: Endpoint.from('[::1]:9'),
};
