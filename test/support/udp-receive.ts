// What the tests of UdpSocket's receiving share.
import { once } from 'node:events';
import {
  UdpSocket,
  type ControlMessage,
  type Endpoint,
  type NativeSocket,
  type ReceivedBatch,
} from '../../src/index.js';
import type { UdpSocketOptions } from '../../src/index.js';
import { LOOPBACK } from './sockets.js';

/** How traffic gets to a socket: over IPv4, over IPv6, or over IPv4 to an IPv6 socket. */
export const PATHS = [
  { path: 'ipv4', family: 'ipv4', from: 'ipv4', address: '127.0.0.1', wildcard: '0.0.0.0' },
  { path: 'ipv6', family: 'ipv6', from: 'ipv6', address: '::1', wildcard: '::' },
  { path: 'mapped', family: 'ipv6', from: 'ipv4', address: '127.0.0.1', wildcard: '::' },
] as const;

export type Path = (typeof PATHS)[number];

/** A socket on its own port, on all addresses. */
export function receiver(options: UdpSocketOptions): UdpSocket {
  const udp = UdpSocket.create(options);
  udp.bind();
  return udp;
}

/** Sends one datagram over loopback, from a socket of the other end's family. */
export function send(
  sender: NativeSocket,
  to: UdpSocket | Endpoint,
  data: string | Uint8Array,
  control: readonly ControlMessage[] = [],
): void {
  const { port } = 'local' in to ? to.local : to;
  const address = LOOPBACK[sender.family];
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  if (sender.sendmsg({ data: bytes, to: { address, port }, control }) !== bytes.length) throw new Error('not sent');
}

/** What `read` finds in the next batch, which is valid only then. */
export async function nextBatch<T>(udp: UdpSocket, read: (received: ReceivedBatch) => T): Promise<T> {
  const found = await new Promise<{ value: T } | { error: unknown }>((resolve) => {
    udp.once('batch', (received) => {
      try {
        resolve({ value: read(received) });
      } catch (error) {
        resolve({ error });
      }
    });
  });
  if ('error' in found) throw found.error;
  return found.value;
}

/** The texts of a batch. */
export function texts(received: ReceivedBatch): string[] {
  return Array.from({ length: received.length }, (_, i) => Buffer.from(received.data(i)).toString());
}

/** The next `count` messages as texts. */
export async function nextMessages(udp: UdpSocket, count: number): Promise<string[]> {
  const messages: string[] = [];
  await new Promise<void>((resolve) => {
    const listener = (data: Buffer): void => {
      messages.push(data.toString());
      if (messages.length < count) return;
      udp.off('message', listener);
      resolve();
    };
    udp.on('message', listener);
  });
  return messages;
}

/** The next uncaught exception. */
export async function uncaught(): Promise<unknown> {
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  try {
    const [error] = (await once(process, 'uncaughtException')) as [unknown];
    return error;
  } finally {
    for (const listener of others) process.on('uncaughtException', listener);
  }
}

/** Turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
