// Moving a reservation: to a worker thread by its descriptor, to a child process over its channel. The port is never free in between.
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { PortReservation, reserve, type DetachedReservation, type Endpoint } from '../../../src/index.js';
import { nodeEnvironment, runWorker, startWorker } from '../../support/child.js';
import { expectNoNewFds } from '../../support/fds.js';
import {
  BOTH,
  bound,
  checkDescriptors,
  echo,
  EXHAUSTED,
  IPV4,
  plain,
  refusing,
  rejection,
  serve,
  thrown,
} from '../../support/fixtures.js';

checkDescriptors();

/** A child that holds the reservation that it receives, and follows commands. */
const directory = mkdtempSync(join(tmpdir(), 'linux-sockets-'));
const holder = join(directory, 'holder.mjs');
writeFileSync(
  holder,
  `
  import { once } from 'node:events';
  import { PortReservation } from ${JSON.stringify(new URL('../../../lib/index.js', import.meta.url).href)};
  let reservation;
  process.on('message', async (message, handle) => {
    try {
      if (message.type === 'linux-sockets:reservation') {
        reservation = PortReservation.adopt(message, handle);
        process.send({ did: 'adopt', state: reservation.state, local: reservation.local, remote: reservation.remote });
      } else if (message === 'activate') {
        const socket = await reservation.activate();
        socket.write('from the child');
        const [answer] = await once(socket, 'data');
        process.send({ did: 'activate', port: socket.localPort, answer: answer.toString() });
        socket.destroy();
      } else {
        reservation.release();
        process.send({ did: 'release', state: reservation.state });
      }
    } catch (error) {
      process.send({ failed: String(error) });
    }
  });
  process.send({ did: 'start' });
`,
);
afterAll(() => {
  rmSync(directory, { recursive: true });
});

describe.each(BOTH)('moving an $family reservation', (addresses) => {
  test('a worker thread adopts and activates a reservation', async () => {
    await using server = await serve(addresses.loopback, echo);
    const reservation = reserve({ remote: server });
    const { port } = reservation.local;
    const moved = reservation.detach();
    expect(Object.keys(moved).sort()).toEqual(['fd', 'local', 'remote']);
    const { messages } = await runWorker(
      `
      const { once } = require('node:events');
      const { PortReservation } = await import('linux-sockets');
      const reservation = PortReservation.adopt(workerData);
      parentPort.postMessage([reservation.state, reservation.local.toString(), reservation.remote.toString()]);
      const socket = await reservation.activate();
      socket.write('from the worker');
      const [answer] = await once(socket, 'data');
      parentPort.postMessage([reservation.state, socket.localPort, answer.toString()]);
      socket.destroy();
      `,
      { workerData: moved },
    );
    expect(messages).toEqual([
      ['held', reservation.local.toString(), reservation.remote.toString()],
      ['activated', port, 'from the worker'],
    ]);
  });

  test('a reservation made by a worker thread outlives the worker in the main thread', async () => {
    using peer = refusing(addresses);
    const { messages, code } = await runWorker(
      `
      const { reserve } = await import('linux-sockets');
      parentPort.postMessage(reserve({ remote: workerData }).detach());
      `,
      { workerData: plain(peer.local) },
    );
    expect(code).toBe(0);
    const [moved] = messages as [DetachedReservation];
    using reservation = PortReservation.adopt(moved);
    expect(reservation.verify()).toBe(true);
    expect(plain(reservation.remote)).toEqual(plain(peer.local));
    expectTaken(peer.local, reservation.local);
  });

  test('a reservation moves to a worker thread and back, and its port stays reserved', async () => {
    using peer = refusing(addresses);
    const first = reserve({ remote: peer.local, local: { address: addresses.loopback } });
    const { local } = first;
    const worker = startWorker(`
      const { PortReservation } = await import('linux-sockets');
      parentPort.once('message', (moved) => {
        parentPort.postMessage(PortReservation.adopt(moved).detach());
      });
    `);
    worker.postMessage(first.detach());
    expectTaken(peer.local, local);
    const [moved] = (await once(worker, 'message')) as [DetachedReservation];
    await worker.terminate();
    expectTaken(peer.local, local);
    const back = PortReservation.adopt(moved);
    expect(back.verify()).toBe(true);
    back.release();
    using again = reserve({ remote: peer.local, local });
    expect(again.local.port).toBe(local.port);
  });

  test('a terminated worker releases its reservation', async () => {
    using peer = refusing(addresses);
    const reservation = reserve({ remote: peer.local, local: { address: addresses.loopback } });
    const { local } = reservation;
    const worker = startWorker(
      `
      const { PortReservation } = await import('linux-sockets');
      globalThis.reservation = PortReservation.adopt(workerData);
      parentPort.postMessage(globalThis.reservation.state);
      parentPort.on('message', () => {});
      `,
      reservation.detach(),
    );
    expect(await once(worker, 'message')).toEqual(['held']);
    expectTaken(peer.local, local);
    await worker.terminate();
    using again = reserve({ remote: peer.local, local });
    expect(again.local.port).toBe(local.port);
  });

  test.each(['json', 'advanced'] as const)(
    'sendTo() moves a reservation to a child process, which holds and releases it (%s)',
    async (serialization) => {
      using peer = refusing(addresses);
      const reservation = reserve({ remote: peer.local, local: { address: addresses.loopback } });
      const { local, remote } = reservation;
      await expectNoNewFds(async () => {
        await using child = await startHolder(serialization);
        await reservation.sendTo(child.process);
        expect([reservation.state, reservation.verify(), reservation.fd]).toEqual(['detached', false, -1]);
        expect(await child.answer()).toMatchObject({
          did: 'adopt',
          state: 'held',
          local: plain(local),
          remote: plain(remote),
        });
        expectTaken(remote, local);
        child.process.send('release');
        expect(await child.answer()).toEqual({ did: 'release', state: 'released' });
        using again = reserve({ remote, local });
        expect(again.local.port).toBe(local.port);
      });
      reservation.release();
      expect(reservation.state).toBe('detached');
    },
  );

  test('sendTo() moves a reservation to a child process, which activates it', async () => {
    await using server = await serve(addresses.loopback, echo);
    const reservation = reserve({ remote: server });
    await using child = await startHolder();
    await reservation.sendTo(child.process);
    expect(await child.answer()).toMatchObject({ did: 'adopt', state: 'held' });
    child.process.send('activate');
    expect(await child.answer()).toEqual({ did: 'activate', port: reservation.local.port, answer: 'from the child' });
  });

  test('a killed child process frees the port of its reservation', async () => {
    using peer = refusing(addresses);
    const reservation = reserve({ remote: peer.local, local: { address: addresses.loopback } });
    const { local, remote } = reservation;
    {
      await using child = await startHolder();
      await reservation.sendTo(child.process);
      await child.answer();
      expectTaken(remote, local);
    }
    using again = reserve({ remote, local });
    expect(again.local.port).toBe(local.port);
  });
});

test('sendTo() keeps an IPv4-mapped reservation IPv4-mapped', async () => {
  using peer = refusing(IPV4);
  const reservation = reserve({ remote: { address: '::ffff:127.0.0.1', port: peer.local.port } });
  await using child = await startHolder();
  await reservation.sendTo(child.process);
  expect(await child.answer()).toMatchObject({ did: 'adopt', state: 'held', remote: { mapped: true } });
});

test('sendTo() moves ten reservations to one child in order, called at once', async () => {
  using peer = refusing(IPV4);
  const reservations = Array.from({ length: 10 }, () => reserve({ remote: peer.local }));
  await expectNoNewFds(async () => {
    await using child = await startHolder();
    await Promise.all(reservations.map(async (reservation) => await reservation.sendTo(child.process)));
    for (const { local } of reservations) {
      expect(await child.answer()).toMatchObject({ did: 'adopt', local: plain(local) });
    }
  });
  expect(new Set(reservations.map(({ state }) => state))).toEqual(new Set(['detached']));
});

test('a child process does not inherit a reservation, so its release in the parent frees the port', async () => {
  using peer = refusing(IPV4);
  const reservation = reserve({ remote: peer.local, shareLocalPort: false });
  const { port } = reservation.local;
  const child = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdin.write('there');
  await once(child.stdout, 'data');
  reservation.release();
  using socket = bound(IPV4, { address: '127.0.0.1', port });
  expect(socket.local.port).toBe(port);
  child.stdin.end();
  await once(child, 'close');
});

describe('sendTo()', () => {
  async function staysHeld(send: (reservation: PortReservation) => Promise<void>): Promise<void> {
    using peer = refusing(IPV4);
    using reservation = reserve({ remote: peer.local });
    const { fd } = reservation;
    await expectNoNewFds(async () => {
      await send(reservation);
    });
    expect([reservation.state, reservation.verify(), reservation.fd]).toEqual(['held', true, fd]);
    expectTaken(peer.local, reservation.local);
  }

  test('sendTo() rejects for a value that is not a child process, and the reservation stays held', async () => {
    await staysHeld(async (reservation) => {
      for (const value of [null, undefined, 1, 'child', {}, { send: true }, () => undefined]) {
        expect(await rejection(reservation.sendTo(value as never))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
      }
    });
  });

  test('sendTo() rejects for a child without a channel, and the reservation stays held', async () => {
    await staysHeld(async (reservation) => {
      const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
      expect(await rejection(reservation.sendTo(child))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
      child.stdin.end();
      await once(child, 'close');
    });
  });

  test('sendTo() rejects for a child that has exited, and the reservation stays held', async () => {
    await staysHeld(async (reservation) => {
      const child = await startHolder();
      await child[Symbol.asyncDispose]();
      expect(await rejection(reservation.sendTo(child.process))).toMatchObject({ code: 'ERR_IPC_CHANNEL_CLOSED' });
    });
  });

  test('sendTo() rejects for a child whose channel was closed, and the reservation stays held', async () => {
    await staysHeld(async (reservation) => {
      await using child = await startHolder();
      child.process.disconnect();
      expect(await rejection(reservation.sendTo(child.process))).toMatchObject({ code: 'ERR_IPC_CHANNEL_CLOSED' });
    });
  });

  test('sendTo() rejects when the child exits before another reservation arrives, and the reservation stays held', async () => {
    using peer = refusing(IPV4);
    const first = reserve({ remote: peer.local });
    await staysHeld(async (reservation) => {
      await using child = await startHolder();
      child.process.kill('SIGSTOP');
      await first.sendTo(child.process); // written, and not read
      let outcome = 'not settled';
      reservation.sendTo(child.process).then(
        () => (outcome = 'resolved'),
        () => (outcome = 'rejected'),
      ); // Node sends one descriptor at a time: this one waits for the acknowledgement of the first
      await child[Symbol.asyncDispose]();
      await soon(() => outcome !== 'not settled');
      expect(outcome).toBe('rejected');
    });
    expect(first.state).toBe('detached');
  });
});

test('a reservation that a child never adopted is freed when the child exits', async () => {
  using peer = refusing(IPV4);
  const reservation = reserve({ remote: peer.local, shareLocalPort: false });
  const { local } = reservation;
  {
    await using child = await startHolder();
    child.process.kill('SIGSTOP');
    await reservation.sendTo(child.process);
    expect(freed(local)).toBe(false);
  }
  await soon(() => freed(local));
  expect(freed(local)).toBe(true);
});

/** Waits up to a second for the consequences of an event. */
async function soon(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 1000;
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
}

/** Does not count descriptors: threads open and close their own while they start and end. */
function expectTaken(remote: Endpoint, local: Endpoint): void {
  expect(thrown(() => reserve({ remote, local }))).toMatchObject(EXHAUSTED);
}

function freed(local: { readonly address: string; readonly port: number }): boolean {
  try {
    bound(IPV4, local).close();
    return true;
  } catch {
    return false;
  }
}

/** Starts the child, and waits until it is ready for messages. */
async function startHolder(serialization: 'json' | 'advanced' = 'json'): Promise<
  {
    readonly process: ChildProcess;
    /** Its next message. */
    answer(): Promise<unknown>;
  } & AsyncDisposable
> {
  const child = fork(holder, { execArgv: [], env: nodeEnvironment(), serialization });
  const messages: unknown[] = [];
  child.on('message', (message) => messages.push(message));
  const answer = async (): Promise<unknown> => {
    if (messages.length === 0) await once(child, 'message');
    return messages.shift();
  };
  expect(await answer()).toEqual({ did: 'start' });
  return {
    process: child,
    answer,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit'); // 'close' and 'disconnect' do not always follow
      child.kill('SIGKILL');
      await ended;
    },
  };
}
