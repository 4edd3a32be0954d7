// connect() in a range without a free port: its error says what holds the ports, and a wait lasts only as long as one can
// become free.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { connect, EgressPool, reserve, type ConnectOptions } from '../../../src/index.js';
import { setSysctl } from '../../support/sysctl.js';
import { connected, failing, holding, peer } from '../../support/connect.js';
import {
  addOtherAddresses,
  BOTH,
  checkDescriptors,
  reservedPorts,
  thrown,
  type AnyError,
} from '../../support/fixtures.js';

checkDescriptors();
addOtherAddresses();

/** Evidence is used again for ten times as long as it took to gather, so each test has its own range. */
let range = 45_400;

describe.each(BOTH)('connect() in an exhausted range over $family', ({ loopback }) => {
  test("connect() in an exhausted range reports exhaustedBy 'connections' when connections hold the range", async () => {
    await using server = await peer(loopback);
    using held = holding();
    const options = limited(loopback, server.port);
    for (let i = 0; i < 2; i++) await connected(held.add(connect(options)));
    const { message, exhaustedBy } = await explained(options);
    expect(message).toMatch(/2 ports of .*, 2 are taken by connections from .* to /);
    expect(exhaustedBy).toBe('connections');
  });

  test('connect() in an exhausted range reports exhaustedBy toward each of several destinations in turn', async () => {
    const { localPortRange } = limited(loopback, 0);
    for (let i = 0; i < 8; i++) {
      await using server = await peer(loopback);
      using held = holding();
      const options = { host: loopback, port: server.port, localAddress: loopback, localPortRange };
      for (let n = 0; n < 2; n++) await connected(held.add(connect(options)));
      expect(await failing(connect(options))).toMatchObject({ exhaustedBy: 'connections' });
    }
  });

  test('connect() in an exhausted range reports exhaustedBy in the cause for a pool, and in the error and its cause for a reservation', async () => {
    await using server = await peer(loopback);
    using held = holding();
    const options = limited(loopback, server.port);
    for (let i = 0; i < 2; i++) await connected(held.add(connect(options)));
    const { localPortRange } = options;
    const cause = {
      reason: 'portRangeExhausted',
      exhaustedBy: 'connections',
      message: expect.stringMatching(/No local port is free from .*, 2 are taken by connections/) as unknown,
    };
    const pool = new EgressPool({ sources: [loopback], localPortRange });
    for (let i = 0; i < 2; i++) {
      const error = await failing(pool.connect({ host: loopback, port: server.port }));
      expect(error).toMatchObject({ code: 'ERR_PORT_RANGE_EXHAUSTED', cause });
      expect((error.cause as Error).message.match(/taken by/g)).toHaveLength(1);
    }
    const remote = { address: loopback, port: server.port };
    expect(thrown(() => reserve({ remote, local: { address: loopback }, localPortRange }))).toMatchObject({
      code: 'ERR_PORT_RANGE_EXHAUSTED',
      exhaustedBy: 'connections',
      cause: { reason: 'portRangeExhausted', exhaustedBy: 'connections' },
    });
  });

  test('connect() in an exhausted range names the sysctl for a range in TIME-WAIT, and waitForLocalPort gets the port when it may be reused', async () => {
    using _ = setSysctl('net.ipv4.tcp_tw_reuse', 1);
    using __ = setSysctl('net.ipv4.tcp_tw_reuse_delay', 30_000);
    await using server = await peer(loopback, 0, (socket) => socket.on('end', () => socket.end()).resume());
    const options = limited(loopback, server.port);
    for (let i = 0; i < 2; i++) await closedByUs(await connected(connect(options)));
    const since = performance.now();
    const { message, exhaustedBy } = await explained(options);
    expect(message).toMatch(/2 wait after a close \(TIME-WAIT\).*30000 ms.*tcp_tw_reuse_delay/);
    expect(exhaustedBy).toBe('timeWait');
    using ___ = setSysctl('net.ipv4.tcp_tw_reuse_delay', 2000);
    while (!(await explained(options)).message.includes(' 2000 ms')); // older evidence is used for a while
    const again = await connected(connect({ ...options, waitForLocalPort: { timeout: 10_000 } }));
    const waited = performance.now() - since;
    again.resetAndDestroy();
    await once(again, 'close');
    expect(waited).toBeGreaterThan(1900);
    expect(waited).toBeLessThan(9000); // a wrong rule would wait for 30 s
  });

  test('connect() in an exhausted range fails at once with waitForLocalPort when no port can become free', async () => {
    using _ = setSysctl('net.ipv4.tcp_tw_reuse', 0);
    await using server = await peer(loopback, 0, (socket) => socket.on('end', () => socket.end()).resume());
    const options = limited(loopback, server.port);
    for (let i = 0; i < 2; i++) await closedByUs(await connected(connect(options)));
    const since = performance.now();
    await failing(connect({ ...options, waitForLocalPort: { timeout: 15_000 } }));
    expect(performance.now() - since).toBeLessThan(10_000);
    expect((await explained(options)).message).toMatch(/tcp_tw_reuse is 0/);
  });

  test('connect() in an exhausted range names reserved ports', async () => {
    await using server = await peer(loopback);
    const options = limited(loopback, server.port);
    using _ = reservedPorts(options.localPortRange.join('-'));
    const { message, exhaustedBy } = await explained(options);
    expect(message).toMatch(/2 are in net\.ipv4\.ip_local_reserved_ports/);
    expect(exhaustedBy).toBe('reservedPorts');
  });
});

function limited(host: string, port: number): ConnectOptions & { readonly localPortRange: readonly [number, number] } {
  range += 2;
  return { host, port, localAddress: host, localPortRange: [range, range + 1] };
}

/** The error, once it has evidence, which is gathered for a tenth of the time only. */
async function explained(options: ConnectOptions): Promise<AnyError> {
  for (;;) {
    const error = await failing(connect(options));
    expect(error.reason).toBe('portRangeExhausted');
    if (!error.message.includes('each is taken by')) return error;
    await delay(10);
  }
}

/** Closed on both sides, on this side first, so that the port is in TIME-WAIT. */
async function closedByUs(socket: Socket): Promise<void> {
  socket.resume().end();
  await once(socket, 'close');
}
