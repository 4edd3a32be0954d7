// A Sender over a plain datagram socket, or over a Handle that injects errnos: for tests below UdpSocket.
import type { Handle } from '../../src/binding.js';
import { NativeSocket, type Endpoint, type Family, type SocketOptions } from '../../src/index.js';
import { Sender, type SendEvents } from '../../src/udp/send/sender.js';
import type { SenderOptions } from '../../src/udp/send/options.js';
import { emptyHandle } from './handles.js';

export interface TestSender extends Disposable {
  readonly sender: Sender;
  readonly socket: NativeSocket;
  /** Another descriptor of the same socket. */
  readonly handle: Handle;
  /** The events so far, oldest first. */
  readonly events: { [E in keyof SendEvents]: [event: E, ...args: SendEvents[E]] }[keyof SendEvents][];
  /** Resolves with the next event. */
  readonly next: () => Promise<void>;
}

export interface TestSenderOptions extends SenderOptions {
  readonly sockopts?: SocketOptions;
  /** IPPROTO_UDPLITE: the one way to a real EIO on this kernel. */
  readonly protocol?: number;
  readonly connect?: Endpoint;
  /** A layer between the Sender and the socket. */
  readonly wrap?: (handle: Handle) => Handle;
  readonly now?: () => number;
  readonly writable?: () => Promise<void>;
}

export function testSender(family: Family = 'ipv4', options: TestSenderOptions = {}): TestSender {
  const { sockopts, protocol, connect, wrap, now, writable, ...rest } = options;
  const socket = NativeSocket.create({
    family,
    type: 'dgram',
    ...(sockopts && { sockopts }),
    ...(protocol !== undefined && { protocol }),
  });
  if (connect !== undefined) socket.connect(connect);
  const real = emptyHandle();
  if (real.duplicate(socket.fd) < 0) throw new Error('the descriptor could not be duplicated');
  const events: TestSender['events'] = [];
  let heard: () => void = () => undefined;
  let sender: Sender;
  try {
    sender = new Sender(
      {
        handle: wrap === undefined ? real : wrap(real),
        family,
        connectedTo: () => socket.remote,
        writable: writable ?? (() => socket.writable()),
        emit: (...event) => {
          events.push(event as unknown as TestSender['events'][number]);
          heard();
        },
      },
      rest,
      now,
    );
  } catch (error) {
    real.close();
    socket.close();
    throw error;
  }
  return {
    sender,
    socket,
    handle: real,
    events,
    next: () => new Promise((resolve) => (heard = resolve)),
    [Symbol.dispose]: () => {
      sender.close();
      real.close();
      socket.close();
    },
  };
}

/** A step of a script: an errno instead of the call, 'ok' for the call itself, or a maximum number of messages for it. */
export type Step = number | 'ok' | { readonly most: number };

export interface Played {
  readonly wrap: (handle: Handle) => Handle;
  /** What was called, and with how many messages. */
  readonly calls: (readonly [method: 'sendto' | 'sendmmsg' | 'sendmsg', messages: number, result: number])[];
}

/**
 * Returns errnos in place of calls, in order; when none is left, the calls go to the kernel. A step of
 * `{ most: n }` lets the kernel have the first n messages only, as when its buffer is full.
 */
export function play(...steps: Step[]): Played {
  const calls: Played['calls'][number][] = [];
  const wrap = (handle: Handle): Handle => {
    const run = (method: 'sendto' | 'sendmmsg' | 'sendmsg', messages: number, call: (most: number) => number) => {
      const step = steps.shift() ?? 'ok';
      const most = typeof step === 'object' ? step.most : messages;
      const result = typeof step === 'number' ? step : call(most);
      calls.push([method, messages, result]);
      return result;
    };
    return new Proxy(handle, {
      get: (target, name: keyof Handle) => {
        switch (name) {
          case 'sendto':
            return (...args: Parameters<Handle['sendto']>) => run('sendto', 1, () => target.sendto(...args));
          case 'sendmsg':
            return (...args: Parameters<Handle['sendmsg']>) => run('sendmsg', 1, () => target.sendmsg(...args));
          case 'sendmmsg':
            return (...[data, beside, records, first, count]: Parameters<Handle['sendmmsg']>) =>
              run('sendmmsg', count, (most) => target.sendmmsg(data, beside, records, first, most));
          default: {
            const member = Reflect.get(target, name) as (...args: unknown[]) => unknown;
            return member.bind(target);
          }
        }
      },
    });
  };
  return { wrap, calls };
}

/** Bytes that differ at every position, so that a datagram shows which part of the data it is. */
export function pattern(length: number): Buffer {
  const data = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) data.writeUInt32LE(i + 1, i);
  return data;
}

/** The data cut by a segment size. */
export function cut(data: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(data.length / size) }, (_, i) => data.subarray(i * size, (i + 1) * size));
}

/** All datagrams in a socket's receive buffer, in order. */
export function received(socket: NativeSocket): Buffer[] {
  const datagrams: Buffer[] = [];
  for (;;) {
    const buffer = Buffer.alloc(65536);
    const message = socket.recvmsg({ buffers: [buffer] });
    if (message === undefined) return datagrams;
    datagrams.push(buffer.subarray(0, message.bytes));
  }
}
