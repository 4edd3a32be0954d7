// Measures one row of `linux-sockets udp-bench`: sends as fast as possible to a receiving process, and reads the counters of both.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Endpoint } from '../../wire/endpoint.js';
import { UdpSocket } from '../../udp/socket.js';
import type { ReceiverOptions, ReceiverReady, ReceiverSample } from './receiver.js';

/** How the datagrams are sent: one per call, a batch per call, or long messages that the kernel cuts (UDP_SEGMENT). */
export type Way = 'single' | 'batch' | 'gso';

export interface Measurement {
  readonly way: Way;
  /** Whether the receiver lets the kernel merge datagrams (UDP_GRO). */
  readonly gro: boolean;
  readonly sent: Figures;
  readonly received: Figures;
  /** Fraction of the sent datagrams that did not arrive, 0 to 1. */
  readonly lost: number;
  /** Datagrams per system call of the sender. */
  readonly perCall: number;
}

export interface Figures {
  /** Datagrams per second. */
  readonly rate: number;
  /** Gigabits per second of payload. */
  readonly gbits: number;
  /** Microseconds of CPU time per datagram. */
  readonly cpu: number;
}

interface Counters {
  datagrams: number;
  syscalls: number;
}

/**
 * @param size bytes of a datagram
 * @param progress called several times per second with the rate so far, in datagrams per second
 */
export async function measure(
  way: Way,
  gro: boolean,
  size: number,
  seconds: number,
  progress: (rate: number) => void,
): Promise<Measurement> {
  const receiver = fork(fileURLToPath(new URL('receiver.js', import.meta.url)), [
    JSON.stringify({ gro } satisfies ReceiverOptions),
  ]);
  const udp = UdpSocket.create({ family: 'ipv4' });
  try {
    const ready = (await answer(receiver)) as ReceiverReady;
    udp.connect(Endpoint.from({ address: '127.0.0.1', port: ready.port }));
    const counters: Counters = { datagrams: 0, syscalls: 0 };
    const send = senders[way](udp, size, counters);
    await repeat(send, WARM_UP_SECONDS);
    const before = await sample(receiver, counters);
    await repeat(send, seconds, () => {
      progress((counters.datagrams - before.sent.datagrams) / ((performance.now() - before.at) / 1000));
    });
    const after = await sample(receiver, counters);
    const took = (after.at - before.at) / 1000;
    const sent = figures(before.sent, after.sent, size, took);
    const received = figures(before.received, after.received, size, took);
    return {
      ...{ way, gro: ready.gro, sent, received },
      lost: Math.max(0, 1 - received.rate / sent.rate),
      perCall: (after.sent.datagrams - before.sent.datagrams) / (after.sent.syscalls - before.sent.syscalls),
    };
  } finally {
    await udp.close();
    if (receiver.connected) receiver.disconnect();
  }
}

/** Sends some datagrams and counts them; returns false if the send buffer is full. */
type Send = () => boolean;

const senders: Readonly<Record<Way, (udp: UdpSocket, size: number, counters: Counters) => Send>> = {
  single(udp, size, counters) {
    const data = new Uint8Array(size);
    return () => {
      const sent = udp.trySend(data) === size;
      if (sent) {
        counters.datagrams++;
        counters.syscalls++;
      }
      return sent;
    };
  },

  batch(udp, size, counters) {
    const batch = udp.createSendBatch({ messages: BATCH, bytes: BATCH * size });
    const data = new Uint8Array(size);
    return () => {
      if (batch.remaining === 0) {
        batch.clear();
        for (let i = 0; i < BATCH; i++) batch.add(data);
      }
      const sent = udp.sendBatch(batch);
      counters.datagrams += sent;
      counters.syscalls++;
      return sent > 0;
    };
  },

  gso(udp, size, counters) {
    const segments = Math.min(MAX_SEGMENTS, Math.floor(MAX_MESSAGE / size));
    const message = new Uint8Array(segments * size);
    return () => {
      const sent = udp.trySend(message, { segmentSize: size });
      counters.datagrams += sent / size;
      counters.syscalls++;
      return sent > 0;
    };
  },
};

/** Yields to the event loop from time to time, for signals and the progress line. */
async function repeat(send: Send, seconds: number, turn: () => void = () => undefined): Promise<void> {
  const until = performance.now() + seconds * 1000;
  for (let now = performance.now(); now < until; now = performance.now()) {
    const pause = now + TURN;
    while (performance.now() < pause) for (let i = 0; i < CALLS_BETWEEN_LOOKS && send(); i++);
    turn();
    await nextTurn();
  }
}

async function sample(receiver: ChildProcess, counters: Counters) {
  receiver.send('sample');
  const received = (await answer(receiver)) as ReceiverSample;
  const { user, system } = process.cpuUsage();
  return { at: performance.now(), sent: { ...counters, cpu: user + system }, received };
}

function figures(before: ReceiverSample, after: ReceiverSample, size: number, seconds: number): Figures {
  const datagrams = after.datagrams - before.datagrams;
  const rate = datagrams / seconds;
  return { rate, gbits: (rate * size * 8) / 1e9, cpu: datagrams === 0 ? 0 : (after.cpu - before.cpu) / datagrams };
}

/** The next message of the receiver. Rejects if it exits instead; it has then printed why to standard error. */
async function answer(receiver: ChildProcess): Promise<unknown> {
  const gone = new AbortController();
  const ended = once(receiver, 'exit', { signal: gone.signal }).then(() => {
    throw new Error('The receiving process exited.');
  });
  try {
    const message = once(receiver, 'message', { signal: gone.signal }) as Promise<[unknown]>;
    return (await Promise.race([message, ended]))[0];
  } finally {
    ended.catch(() => undefined);
    gone.abort();
  }
}

const WARM_UP_SECONDS = 0.5;
/** Milliseconds. */
const TURN = 20;
const CALLS_BETWEEN_LOOKS = 64;
const BATCH = 64;
const MAX_SEGMENTS = 64;
/** Bytes: the maximum size of a GSO packet on loopback. */
const MAX_MESSAGE = 65_472;
