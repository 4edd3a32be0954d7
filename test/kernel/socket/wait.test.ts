// NativeSocket: readable() and writable(). What resolves a wait, what ends it, and that nothing is polled without a wait.
import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { native, type Native } from '../../../src/binding.js';
import type { NativeSocket } from '../../../src/index.js';
import { runNode } from '../../support/child.js';
import { expectNoNewFds } from '../../support/fds.js';
import { boundUdp, closedPort, errorOf, listening, tcp, tcpPair, udp } from '../../support/sockets.js';

let socket: NativeSocket;
beforeEach(() => (socket = boundUdp()));
afterEach(() => socket.close());

describe('a wait for readiness', () => {
  test('a wait resolves with the event it waits for', async () => {
    const events: string[] = [];
    const readable = socket.readable().then(() => events.push('readable'));
    await socket.writable().then(() => events.push('writable'));
    expect(events).toEqual(['writable']);
    sendTo(socket);
    await readable;
    expect(events).toEqual(['writable', 'readable']);
  });

  test('a wait resolves at once, repeatedly, when the event has already occurred', async () => {
    sendTo(socket);
    for (let i = 0; i < 3; i++) await socket.readable();
    expect(socket.recvmsg({ buffers: [new Uint8Array(1)] })?.bytes).toBe(1);
  });

  test('a wait resolves on a listener when a connection arrives', async () => {
    using listener = listening();
    const readable = listener.readable();
    using client = tcp();
    client.connect(listener.local);
    await readable;
    expect(listener.accept()?.remote).toEqual(client.local);
  });

  test('a wait resolves at the end of the stream and at its reset', async () => {
    using first = await tcpPair();
    const end = first.server.readable();
    first.client.close();
    await end;
    expect(first.server.recvmsg({ buffers: [new Uint8Array(1)] })?.bytes).toBe(0);
    using second = await tcpPair();
    second.client.sendmsg({ data: Buffer.from('unread') });
    const reset = second.client.readable();
    await second.server.readable();
    second.server.close();
    await reset;
    expect((await errorOf(() => second.client.recvmsg({ buffers: [new Uint8Array(1)] }))).code).toBe('ECONNRESET');
  });

  test.each(['readable', 'writable'] as const)(
    'a wait for %s resolves on an ICMP error, whether it is pending or arrives later',
    async (what) => {
      using early = udp();
      early.connect({ address: '127.0.0.1', port: closedPort() });
      early.sendmsg({ data: Buffer.from('x') });
      await early[what]();
      expect((await errorOf(() => early.recvmsg({ buffers: [new Uint8Array(1)] }))).code).toBe('ECONNREFUSED');
      using late = udp();
      late.connect({ address: '127.0.0.1', port: closedPort() });
      const waiting = late[what]();
      late.sendmsg({ data: Buffer.from('x') });
      await waiting;
      expect((await errorOf(() => late.recvmsg({ buffers: [new Uint8Array(1)] }))).code).toBe('ECONNREFUSED');
      await late.writable(); // the error was read, so the socket is as before
      expect(late.recvmsg({ buffers: [new Uint8Array(1)] })).toBeUndefined();
    },
  );

  test('a wait does not resolve on an event of another socket', async () => {
    using other = boundUdp();
    let ended = false;
    const waiting = other.readable().then(() => (ended = true));
    sendTo(socket);
    await socket.readable();
    await socket.writable();
    expect(ended).toBe(false);
    sendTo(other);
    await waiting;
    expect(ended).toBe(true);
  });

  test('waits in a loop are enough to receive each of 2,000 datagrams', async () => {
    using sender = udp();
    const buffers = [new Uint8Array(8)];
    let received = 0;
    for (let sent = 0; received < 2000;) {
      for (let burst = 0; burst < 20 && sent < 2000; burst++, sent++)
        sender.sendmsg({ data: buffers, to: socket.local });
      await socket.readable();
      while (socket.recvmsg({ buffers }) !== undefined) received++;
    }
    expect(received).toBe(2000);
  });
});

describe('several waits on one socket', () => {
  test('several waits for the same event all resolve', async () => {
    const waits = Array.from({ length: 100 }, async () => socket.readable());
    sendTo(socket);
    await Promise.all(waits);
  });

  test('several waits for different events resolve each with its own', async () => {
    let read = 0;
    const readers = Array.from({ length: 10 }, async () => socket.readable().then(() => read++));
    await Promise.all(Array.from({ length: 10 }, async () => socket.writable()));
    expect(read).toBe(0);
    sendTo(socket);
    await Promise.all(readers);
    expect(read).toBe(10);
  });

  test('several waits on one socket are aborted individually', async () => {
    const controllers = [new AbortController(), new AbortController()];
    const waits = controllers.map(async ({ signal }) => socket.readable({ signal }));
    controllers[0]!.abort();
    await expect(waits[0]).rejects.toMatchObject({ name: 'AbortError' });
    sendTo(socket);
    await waits[1];
  });

  test('all waits on a socket reject when it closes, and those on other sockets do not', async () => {
    using other = boundUdp();
    const stays = other.readable();
    const waits = Array.from({ length: 10 }, async () => errorOf(async () => socket.readable()));
    socket.close();
    for (const error of await Promise.all(waits)) {
      expect(error).toMatchObject({ name: 'SyscallError', code: 'EBADF', errno: -9 });
    }
    sendTo(other);
    await stays;
  });
});

describe('an AbortSignal of a wait', () => {
  test('an already aborted AbortSignal rejects a wait at once, with its reason as the cause', async () => {
    const reason = new Error('why');
    sendTo(socket); // even though the event is there
    const error = await errorOf(async () => socket.readable({ signal: AbortSignal.abort(reason) }));
    expect(error).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', message: 'The operation was aborted' });
    expect(error.cause).toBe(reason);
  });

  test('an AbortSignal ends the wait, and no listener is left on the signal', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = errorOf(async () => socket.readable({ signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    controller.abort('enough');
    expect(await waiting).toMatchObject({ name: 'AbortError', cause: 'enough' });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    sendTo(socket);
    await socket.readable();
  });

  test('an AbortSignal has no listener left after a wait that resolved or whose socket was closed', async () => {
    const { signal } = new AbortController();
    await socket.writable({ signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const waiting = errorOf(async () => socket.readable({ signal }));
    socket.close();
    await waiting;
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('AbortSignal.timeout ends a wait', async () => {
    const error = await errorOf(async () => socket.readable({ signal: AbortSignal.timeout(1) }));
    expect(error).toMatchObject({ name: 'AbortError', cause: { name: 'TimeoutError' } });
  });

  // In a child, since an exception thrown in an event listener is uncaught.
  test.each([
    ['close', 'EBADF'],
    ['detach', 'EBADF'],
  ])('an AbortSignal that is aborted right after %s has no effect', async (end, code) => {
    const { stdout, stderr } = await runNode(`${PROLOGUE}
      const controller = new AbortController();
      const waiting = socket.readable({ signal: controller.signal });
      socket.${end}();
      controller.abort();
      await waiting.catch((error) => console.log(error.code));
    `);
    expect([stdout, stderr]).toEqual([`${code}\n`, '']);
  });

  test('an AbortSignal that is aborted after the event has no effect', async () => {
    const controller = new AbortController();
    const first = socket.writable();
    const second = socket.writable({ signal: controller.signal });
    void first.then(() => {
      controller.abort();
    });
    await Promise.all([first, second]);
  });
});

describe('arguments of a wait', () => {
  test.each([1, 'signal', true, {}, null, [], () => undefined])(
    'a wait refuses %o as an AbortSignal',
    async (signal) => {
      const error = await errorOf(async () => socket.readable({ signal: signal as AbortSignal }));
      expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    },
  );

  test('a wait refuses an object that resembles an AbortSignal, and nothing keeps waiting', async () => {
    const script = `${PROLOGUE}
      await socket.readable({ signal: { aborted: false } }).catch((error) => console.log(error.name));
      await socket.writable();
      console.log('the process ends now');
    `;
    const { stdout } = await runNode(script, { timeout: 5000 });
    expect(stdout).toBe('TypeError\nthe process ends now\n');
  });

  // An easy mistake: readable(signal) for readable({ signal }). If it were ignored, the wait could not be aborted.
  test.each([
    ['an AbortSignal itself', AbortSignal.abort()],
    ['null', null],
    ['a number', 100],
    ['a misspelt option', { abort: AbortSignal.abort() }],
  ])('a wait refuses %s as options', async (_, options) => {
    sendTo(socket); // so that a wait would resolve
    const error = await errorOf(async () => socket.readable(options as never));
    expect(error.code).toMatch(/^ERR_INVALID_ARG_(TYPE|VALUE)$/);
  });
});

describe('a socket without pending waits', () => {
  let calls = 0;
  const callbacks: unknown[] = []; // a Poll that is not started leaves its callback to its owner
  const exports = native() as { Poll: Native['Poll'] };
  const { Poll } = exports;

  beforeEach(() => {
    exports.Poll = class Counted extends Poll {
      constructor(callback: (status: number, events: number) => void) {
        const counted = (status: number, events: number): void => {
          calls++;
          callback(status, events);
        };
        callbacks.push(counted);
        super(counted);
      }
    };
    calls = 0;
  });
  afterEach(() => {
    exports.Poll = Poll;
    callbacks.length = 0;
  });

  test('a socket without pending waits is not polled when data arrives', async () => {
    sendTo(socket);
    await socket.readable();
    expect(calls).toBe(1);
    using other = boundUdp();
    for (let round = 0; round < 20; round++) {
      sendTo(socket);
      await other.writable(); // a turn of the event loop
    }
    expect(calls).toBe(1 + 20);
    await socket.readable();
    expect(calls).toBe(1 + 20 + 1);
  });

  test('a socket is no longer polled for writing after its wait for writing has resolved', async () => {
    using other = boundUdp();
    const readable = socket.readable();
    await socket.writable();
    const before = calls;
    for (let round = 0; round < 20; round++) await other.writable();
    expect(calls).toBe(before + 20);
    sendTo(socket);
    await readable;
    expect(calls).toBe(before + 20 + 1);
  });

  test('a socket is no longer polled after its wait was aborted', async () => {
    using other = boundUdp();
    const controller = new AbortController();
    const waiting = errorOf(async () => socket.readable({ signal: controller.signal }));
    controller.abort();
    await waiting;
    sendTo(socket);
    for (let round = 0; round < 20; round++) await other.writable();
    expect(calls).toBe(20);
  });
});

describe('a process with pending waits', () => {
  test('a process stays alive while something waits, and exits when nothing does', async () => {
    const { stdout } = await runNode(`${PROLOGUE}
      const { local } = socket;
      const waiting = socket.readable().then(() => console.log('got it'));
      setImmediate(() => {
        const sender = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
        sender.sendmsg({ data: Buffer.from('x'), to: local });
        sender.close();
      });
    `);
    expect(stdout).toBe('got it\n');
  });

  test.each([
    ['is closed', 'socket.close();'],
    ['is detached', 'socket.detach();'],
    ['is no longer waited for', 'controller.abort();'],
  ])('a process exits when the only socket that is waited for is %s', async (_, end) => {
    const { stdout } = await runNode(`${PROLOGUE}
      const controller = new AbortController();
      socket.readable({ signal: controller.signal }).catch((error) => console.log(error.code));
      setImmediate(() => { ${end} });
    `);
    expect(stdout).toMatch(/^(EBADF|ABORT_ERR)\n$/);
  });
});

test('waiting and closing 1,000 times leaves no descriptor', async () => {
  await expectNoNewFds(async () => {
    for (let i = 0; i < 1000; i++) {
      using one = udp();
      const waiting = errorOf(async () => one.readable());
      await one.writable();
      one.close();
      expect((await waiting).code).toBe('EBADF');
    }
  });
});

const PROLOGUE = `
  import { NativeSocket } from 'linux-sockets';
  const socket = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
  socket.bind('127.0.0.1:0');
`;

function sendTo(receiver: NativeSocket): void {
  using sender = udp();
  sender.sendmsg({ data: Buffer.from('x'), to: receiver.local });
}
