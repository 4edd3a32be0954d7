// reserveAsync: waits for a local port that becomes free, for a limited time or until it is aborted; and leaves nothing behind.
import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { reserve, reserveAsync, type PortReservation, type ReserveOptions } from '../../../src/index.js';
import {
  BOTH,
  checkDescriptors,
  refused,
  rejection,
  reservedPorts,
  type AnyError,
  type Addresses,
} from '../../support/fixtures.js';
import { errorOf } from '../../support/sockets.js';

checkDescriptors();

/** A different port for each test, so that cached evidence of one search does not apply to the next. */
let next = 45_600;
function onePort({ loopback }: Addresses): ReserveOptions & { readonly localPortRange: readonly [number, number] } {
  const port = next++;
  return { remote: { address: loopback, port: 9 }, local: { address: loopback }, localPortRange: [port, port] };
}

/** Whether the promise is still pending after some turns of the event loop. */
async function pending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => void (settled = true);
  promise.then(settle, settle);
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  return !settled;
}

const EXHAUSTED = {
  code: 'ERR_PORT_RANGE_EXHAUSTED',
  ...{ reason: 'portRangeExhausted', exhaustedBy: 'connections' },
  cause: expect.objectContaining({ reason: 'portRangeExhausted', exhaustedBy: 'connections' }) as unknown,
};

describe.each(BOTH)('reserveAsync() over $family', (addresses) => {
  test('reserveAsync() resolves with a held reservation when a port is free', async () => {
    const options = onePort(addresses);
    using reservation = await reserveAsync(options);
    expect(reservation.state).toBe('held');
    expect(reservation.local.port).toBe(options.localPortRange[0]);
    expect(reservation.verify()).toBe(true);
  });

  test.each([{}, { shareLocalPort: false }])(
    'reserveAsync() waits for a port that another reservation releases, with %j',
    async (more) => {
      const options = { ...onePort(addresses), ...more };
      const first = reserve(options);
      const waiting = reserveAsync({ ...options, waitForLocalPort: true });
      expect(await pending(waiting)).toBe(true);
      first.release();
      using second = await waiting;
      expect([second.state, second.local.port]).toEqual(['held', options.localPortRange[0]]);
    },
  );

  test('reserveAsync() serves several waiters in turn, one port for each', async () => {
    const options = onePort(addresses);
    const first = reserve(options);
    let held = 1;
    let most = 0;
    const waiting = Array.from({ length: 3 }, async () => {
      const reservation = await reserveAsync({ ...options, waitForLocalPort: { timeout: 15_000 } });
      most = Math.max(most, ++held);
      await new Promise((resolve) => setImmediate(resolve));
      held--;
      reservation.release();
      return reservation.state;
    });
    held--;
    first.release();
    expect(await Promise.all(waiting)).toEqual(['released', 'released', 'released']);
    expect(most).toBe(1);
  });

  test('reserveAsync() rejects with ERR_PORT_RANGE_EXHAUSTED at the timeout', async () => {
    const options = onePort(addresses);
    using first = reserve(options);
    const since = performance.now();
    const error = await rejection(reserveAsync({ ...options, waitForLocalPort: { timeout: 150 } }));
    expect(performance.now() - since).toBeGreaterThan(140);
    expect(error).toMatchObject(EXHAUSTED);
    expect(first.state).toBe('held');
  });

  test('reserveAsync() with waitForLocalPort: false rejects at once', async () => {
    const options = onePort(addresses);
    using first = reserve(options);
    const failed = reserveAsync({ ...options, waitForLocalPort: false });
    const settled = rejection(failed);
    expect(await pending(failed)).toBe(false);
    expect(await settled).toMatchObject(EXHAUSTED);
    expect(first.state).toBe('held');
  });

  test('reserveAsync() rejects at once when no port of the range can become free', async () => {
    const options = onePort(addresses);
    using _ = reservedPorts(String(options.localPortRange[0]));
    const since = performance.now();
    const error = await rejection(reserveAsync({ ...options, waitForLocalPort: { timeout: 30_000 } }));
    expect(performance.now() - since).toBeLessThan(5000); // a wait that is not given up lasts 30 s
    expect(error).toMatchObject({ code: 'ERR_PORT_RANGE_EXHAUSTED', reason: 'portRangeExhausted' });
    expect(error).toMatchObject({ exhaustedBy: 'reservedPorts' });
  });

  test('reserveAsync() rejects with AbortError when its signal is aborted while it waits, and removes its listener', async () => {
    const options = onePort(addresses);
    using first = reserve(options);
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = reserveAsync({ ...options, waitForLocalPort: true, signal });
    const settled = rejection(waiting);
    expect(await pending(waiting)).toBe(true);
    controller.abort(new Error('enough'));
    expect(await settled).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: signal.reason as unknown });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(first.state).toBe('held');
  });
});

const [addresses] = BOTH as [Addresses, Addresses];

test('reserveAsync() with an aborted signal rejects with AbortError and reserves nothing', async () => {
  const options = onePort(addresses);
  const signal = AbortSignal.abort();
  expect(await rejection(reserveAsync({ ...options, signal }))).toMatchObject({ code: 'ABORT_ERR' });
  reserve(options).release(); // the port is free
});

test('reserveAsync() removes its listener from the signal once it has a reservation, which a later abort does not release', async () => {
  const controller = new AbortController();
  using reservation = await reserveAsync({ ...onePort(addresses), signal: controller.signal });
  expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  controller.abort();
  expect(reservation.state).toBe('held');
});

test('reserveAsync() rejects with what reserve() throws for other failures, without waiting', async () => {
  const cases: (Partial<ReserveOptions> & { remote: ReserveOptions['remote'] })[] = [
    { remote: '192.0.2.1:9' },
    { remote: '127.0.0.1:9', local: { address: '198.51.100.7' } },
    { remote: '127.0.0.1:9', freebind: 1 as never },
    { remote: '127.0.0.1:0' },
  ];
  for (const options of cases) {
    const expected = (await errorOf(() => reserve(options).release())) as AnyError;
    const error = await errorOf(() => reserveAsync({ ...options, waitForLocalPort: true }));
    expect([error.code, error['reason']]).toEqual([expected.code, expected.reason]);
  }
});

test.each([
  [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
  [{ waitForLocalPort: 5 }, 'ERR_INVALID_ARG_TYPE'],
  [{ waitForLocalPort: null }, 'ERR_INVALID_ARG_TYPE'],
  [{ waitForLocalPort: { timeout: 0 } }, 'ERR_OUT_OF_RANGE'],
  [{ waitForLocalPort: { often: 1 } }, 'ERR_INVALID_ARG_VALUE'],
  [{ retry: true }, 'ERR_INVALID_ARG_VALUE'],
])('reserveAsync() with %j fails with %s', async (more, code) => {
  const error = await errorOf(() => reserveAsync({ remote: '127.0.0.1:9', ...(more as object) }));
  expect(error.code).toBe(code);
});

test.each([
  ['signal', new AbortController().signal],
  ['waitForLocalPort', true],
])('reserve() is synchronous and refuses %s', async (name, value) => {
  await refused(
    () => reserve({ remote: '127.0.0.1:9', [name]: value }),
    { code: 'ERR_INVALID_ARG_VALUE' },
    new RegExp(`"options\\.${name}"`),
  );
});

test('reserveAsync() gets the only port of a range again after each release', async () => {
  const options = onePort(addresses);
  const held: PortReservation[] = [reserve(options)];
  for (let round = 0; round < 5; round++) {
    const waiting = reserveAsync({ ...options, waitForLocalPort: { timeout: 10_000 } });
    held.pop()?.release();
    held.push(await waiting);
  }
  held.pop()?.release();
});
