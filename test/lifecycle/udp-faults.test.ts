// Workers that are terminated, processes that exit and sockets that are collected while sends are queued, in progress,
// failing or being reported. No descriptor is leaked, nothing crashes, and queued data is sent where that is guaranteed.
import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { runNode } from '../support/child.js';
import { repeats } from '../support/repeats.js';
import { NOTHING_LEFT, terminateWorkers } from '../support/worker-rounds.js';

/** A slow queue holds sent data, and the senders' buffers with it; plain loopback never does. */
function slowLoopback(rate: string): void {
  execFileSync('tc', [
    'qdisc',
    'replace',
    'dev',
    'lo',
    'root',
    'tbf',
    ...`rate ${rate} burst 16kb limit 64mb`.split(' '),
  ]);
}

let slow = false;
afterEach(() => {
  if (slow) execFileSync('tc', ['qdisc', 'del', 'dev', 'lo', 'root']);
  slow = false;
});

/** Where `kept` is set nothing is forgotten, since what the collector finds is warned of. */
const TOOLS = `
  const keep = (udp) => { globalThis.kept?.push(udp); return udp; };
  const make = (options) => { const udp = UdpSocket.create({ family: 'ipv4', ...options }); udp.bind('127.0.0.1:0'); return keep(udp); };
  const sink = globalThis.sink = make();
  const to = sink.local;
  const data = Buffer.alloc(3000);
  const blocked = (count = 20) => {
    const udp = make({ sockopts: { SO_SNDBUF: 8192 }, sendHighWaterMark: 1000 });
    // On a busy machine everything may have been sent in the meantime.
    for (let i = 0; i < count || (count > 0 && !udp.writableNeedDrain); i++) {
      if (i === 10_000) throw new Error('nothing waits');
      udp.send(data, { to, segmentSize: 1000 }).catch(() => {});
    }
    return udp;
  };
  const refused = () => { const udp = UdpSocket.create({ family: 'ipv4' }); udp.connect('127.0.0.1:1'); return keep(udp); };
  const unsummed = () => make({ sockopts: { SO_NO_CHECK: true } });
`;

describe('a worker that is terminated fifty times', () => {
  const HOLD = `
    const { UdpSocket } = await import('linux-sockets');
    const { parentPort } = require('node:worker_threads');
    globalThis.kept = [];
    ${TOOLS}
    globalThis.held = Array.from({ length: 20 }, () => make());
    const ready = () => parentPort.postMessage('ready');
  `;

  test.each<[string, string, string?]>([
    [
      'with sends that wait',
      `
        globalThis.queued = Array.from({ length: 20 }, () => blocked());
        if (queued[19].queuedBytes === 0) throw new Error('nothing waits');
        ready();
      `,
      '1mbit',
    ],
    [
      'while its queues flow',
      `
        for (let i = 0; i < 10; i++) (async () => {
          const udp = blocked(0);
          for (;;) await Promise.all([udp.send(data, { to, segmentSize: 1000 }), udp.send(data, { to, segmentSize: 999 })]);
        })();
        await blocked(5).send(data, { to });
        ready();
      `,
      '40mbit',
    ],
    [
      "in 'drain' listeners that fill it again",
      `
        for (let i = 0; i < 10; i++) {
          const udp = blocked();
          udp.on('drain', () => { for (let j = 0; j < 5; j++) void udp.send(data, { to }); });
          if (i === 0) udp.once('drain', ready);
        }
      `,
      '40mbit',
    ],
    ["busy inside a 'drain' listener", `blocked().on('drain', () => { ready(); for (;;); });`, '4mbit'],
    [
      'waiting for room with batches',
      `
        for (let i = 0; i < 10; i++) (async () => {
          const udp = blocked(0);
          const batch = udp.createSendBatch({ bytes: 1 << 20 });
          for (;;) {
            while (batch.add(data, { to, segmentSize: 1000 }));
            while (batch.remaining > 0) if (udp.sendBatch(batch) === 0) await udp.writable();
            batch.clear();
          }
        })();
        await blocked(5).send(data, { to });
        ready();
      `,
      '40mbit',
    ],
    [
      'closing sockets whose sends wait',
      `
        let first = true;
        for (;;) {
          const udp = blocked(3);
          await udp.writable();
          const last = blocked();
          await udp.close();
          await last.close();
          if (first) ready();
          first = false;
        }
      `,
      '40mbit',
    ],
    [
      'sending without a pause',
      `
        const udp = make();
        const batch = udp.createSendBatch({ bytes: 1 << 20 });
        ready();
        for (;;) {
          batch.clear();
          while (batch.add(data, { to, segmentSize: 100, ttl: 3 }));
          while (batch.remaining > 0) udp.sendBatch(batch);
          udp.trySend([data, data], { to, segmentSize: 1000, from: '127.0.0.1' });
        }
      `,
    ],
    [
      "busy inside a 'gsoDisabled' listener",
      `
        const udp = unsummed();
        udp.on('gsoDisabled', () => { ready(); for (;;); });
        udp.trySend(data, { to, segmentSize: 1000 });
      `,
    ],
    [
      "busy inside a 'pendingError' listener",
      `
        const udp = refused();
        udp.on('pendingError', () => { ready(); for (;;); });
        udp.on('batch', () => {});
        udp.trySend(data);
      `,
    ],
    [
      "throwing inside 'pendingError' and 'gsoDisabled' listeners",
      `
        process.on('uncaughtException', () => {});
        const [one, other] = [refused(), unsummed()];
        const fail = () => { throw new Error('from the listener'); };
        one.on('pendingError', fail);
        other.on('gsoDisabled', fail);
        ready();
        setInterval(() => { void one.send(data); void one.send(data); other.trySend(data, { to, segmentSize: 1000 }); }, 0);
      `,
    ],
  ])('a worker that is terminated fifty times leaves nothing behind: %s', async (_, state, rate) => {
    if (rate !== undefined) slowLoopback(rate);
    slow = rate !== undefined;
    const rounds = { times: repeats(50), atOnce: 5, held: 20 };
    expect(await terminateWorkers(HOLD + state, rounds)).toEqual(NOTHING_LEFT);
  });
});

describe('process.exit with UDP sockets', () => {
  const PROLOGUE = `import { UdpSocket } from 'linux-sockets'; ${TOOLS} const exit = () => process.exit(7);`;

  test.each<[string, string]>([
    ['on a new socket', `UdpSocket.create({ family: 'ipv6' }); exit();`],
    ['with sends that wait', `if (blocked().queuedBytes === 0) throw new Error('nothing waits'); exit();`],
    ['with sends that wait, from a timer', `blocked(); setTimeout(exit, 1);`],
    ["in 'drain'", `blocked().on('drain', exit);`],
    ['after a send that waited', `blocked(10).send(data, { to }).then(exit);`],
    ['after writable()', `blocked().writable().then(exit);`],
    ['in a batch callback', `sink.on('batch', exit); make().trySend(data, { to });`],
    [
      'in a batch callback that has thrown',
      `process.on('uncaughtException', exit); sink.on('batch', () => { throw 1; }); make().trySend(data, { to });`,
    ],
    ['in a message callback', `sink.on('message', exit); make().trySend(data, { to });`],
    ['in an iteration', `make().trySend(data, { to }); for await (const _ of sink) exit();`],
    ['between readable() and receiveBatch', `make().trySend(data, { to }); await sink.readable(); exit();`],
    [
      "in 'gsoDisabled'",
      `const udp = unsummed(); udp.on('gsoDisabled', exit); udp.trySend(data, { to, segmentSize: 1000 });`,
    ],
    [
      "in 'pendingError'",
      `const udp = refused(); udp.on('pendingError', exit); udp.on('message', () => {}); udp.trySend(data);`,
    ],
    ["in 'close'", `const udp = blocked(); udp.on('close', exit); udp.close();`],
    [
      'after close(), in the same turn',
      `const udp = blocked(); sink.on('batch', () => {}); void udp.close(); void sink.close(); exit();`,
    ],
    ['in a rejection of a send', `const udp = blocked(); udp.send(data, { to }).catch(exit); udp.close();`],
    [
      "with an 'exit' handler that uses sockets",
      `
        const udp = blocked();
        sink.on('batch', () => {});
        process.on('exit', () => {
          udp.trySend(data, { to });
          udp.send(data, { to });
          void udp.close();
          sink.pause().resume().off('batch', () => {});
          const late = make();
          late.on('message', () => {});
          late.trySend(data, { to, segmentSize: 1000 });
        });
        exit();
      `,
    ],
  ])('process.exit ends the process with its exit code: %s', async (_, script) => {
    slowLoopback('4mbit');
    slow = true;
    // The collector may warn about an unreferenced socket of the script, which is not tested here.
    const options = { allowFailure: true, execArgv: ['--no-warnings'] };
    const { code, signal, stdout, stderr } = await runNode(`${PROLOGUE} ${script}`, options);
    expect([stderr, code, signal, stdout]).toEqual(['', 7, null, '']);
  });

  test('an unhandled error in a callback ends the process while sends are queued', async () => {
    slowLoopback('4mbit');
    slow = true;
    const { code, signal, stderr } = await runNode(
      `${PROLOGUE} blocked(); sink.on('batch', () => { throw new Error('thrown by the user'); }); make().trySend(data, { to });`,
      { allowFailure: true },
    );
    expect([code, signal]).toEqual([1, null]);
    expect(stderr).toContain('Error: thrown by the user');
  });
});

describe('a send whose promise is ignored', () => {
  const run = async (script: string): Promise<unknown> => {
    const { stdout } =
      await runNode(`import { once } from 'node:events'; import { UdpSocket } from 'linux-sockets'; ${TOOLS}
      const turns = async (count) => { for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve)); };
      ${script}`);
    return JSON.parse(stdout);
  };

  test("an ignored send does not end the process when it fails for a peer's port 0 or a full queue", async () => {
    slowLoopback('4mbit');
    slow = true;
    const told = await run(`
      const udp = make();
      const codes = [];
      const zero = { address: '127.0.0.1', port: 0 };
      udp.send(data, { to: zero }).catch((error) => codes.push(error.code));
      void udp.send(data, { to: zero });
      await turns(5);
      const full = make({ sockopts: { SO_SNDBUF: 8192 }, maxQueueBytes: 1000 });
      for (let i = 0; i < 50; i++) void full.send(data, { to, segmentSize: 1000 });
      await turns(5);
      await full.close();
      await turns(5);
      console.log(JSON.stringify(codes));
      process.exit();
    `);
    expect(told).toEqual(['EINVAL']);
  });

  test('the queued rest of a reply does not end the process when the socket closes', async () => {
    slowLoopback('8mbit');
    slow = true;
    const told = await run(`
      const udp = make({ sendBufferSize: 200_000 });
      const [client] = [make()];
      client.trySend(Buffer.from('?'), { to: udp.local });
      const [, info] = await once(udp, 'message');
      const replied = udp.reply(info, new Uint8Array(2_000_000), { segmentSize: 1200 });
      const waits = udp.queuedBytes > 0;
      await udp.close();
      await turns(5);
      console.log(JSON.stringify([replied, waits, udp.stats.replies.errors]));
      process.exit();
    `);
    expect(told).toEqual([true, true, 1]);
  });

  test('an ignored send with wrong arguments is an unhandled rejection', async () => {
    const { code, stderr } = await runNode(
      `import { UdpSocket } from 'linux-sockets'; ${TOOLS} make().send('text', { to });`,
      { allowFailure: true },
    );
    expect([code, stderr]).toEqual([1, expect.stringContaining('ERR_INVALID_ARG_TYPE')]);
  });
});

describe('an unreferenced socket', () => {
  const run = async (script: string): Promise<unknown> => {
    const { stdout } = await runNode(
      `
      import { existsSync, readlinkSync } from 'node:fs';
      import { UdpSocket } from 'linux-sockets';
      ${TOOLS}
      const warnings = [];
      process.on('warning', (warning) => warnings.push(warning.code));
      const open = (fd) => existsSync('/proc/self/fd/' + fd) && readlinkSync('/proc/self/fd/' + fd).startsWith('socket:');
      const turn = () => new Promise((resolve) => setImmediate(resolve));
      const collect = async (turns) => { for (let i = 0; i < turns; i++) { gc(); await turn(); } };
      const until = async (condition) => {
        for (let i = 0; i < 2000; i++) { if (condition()) return; await collect(1); }
        throw new Error('it was never so: ' + condition);
      };
      console.log(JSON.stringify(await (async () => { ${script} })()));
      process.exit();
    `,
      { execArgv: ['--expose-gc', '--no-warnings'] },
    );
    return JSON.parse(stdout);
  };

  test('an unreferenced socket sends its queue, and is then closed', async () => {
    slowLoopback('20mbit');
    slow = true;
    const [waited, sentWhenClosed, numbers, codes] = (await run(`
      const numbers = [];
      let sent = 0;
      let sentWhenClosed;
      process.on('warning', () => (sentWhenClosed ??= sent));
      sink.on('message', (data) => numbers.push(data.readUInt32BE()));
      const [fd, waited] = (() => {
        const udp = blocked(0);
        for (let i = 0; i < 100; i++) {
          const data = Buffer.alloc(1000);
          data.writeUInt32BE(i);
          void udp.send(data, { to }).then(() => sent++);
        }
        return [udp.fd, udp.queuedBytes > 0];
      })();
      await until(() => numbers.length === 100);
      await until(() => !open(fd) && warnings.length > 0);
      return [waited, sentWhenClosed, numbers, warnings];
    `)) as unknown[];
    expect([waited, sentWhenClosed]).toEqual([true, 100]);
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(codes).toEqual(['LINUX_SOCKETS_NOT_CLOSED']);
  });

  test.each([
    [
      'while a batch waits for room',
      `const udp = blocked(0); const batch = udp.createSendBatch(); udp.writable().then(() => batch.clear()); return udp.fd;`,
    ],
    [
      'after offload was refused',
      `const udp = unsummed(); udp.trySend(data, { to, segmentSize: 1000 }); return udp.fd;`,
    ],
    ['with an error pending', `const udp = refused(); udp.trySend(data); return udp.fd;`],
    [
      'with listeners for events that never occur',
      `const udp = make(); udp.on('drain', () => udp.fd); udp.on('pendingError', () => udp); return udp.fd;`,
    ],
    ['after its queue was drained', `const udp = make(); void udp.send(data, { to }); return udp.fd;`],
  ])('an unreferenced socket is closed, with a warning: %s', async (_, script) => {
    expect(
      await run(`
        const fd = (() => { ${script} })();
        await until(() => !open(fd) && warnings.length > 0);
        return warnings;
      `),
    ).toEqual(['LINUX_SOCKETS_NOT_CLOSED']);
  });

  test('ten thousand unreferenced sockets leave nothing behind', async () => {
    const [left, count] = (await run(`
      const { readdirSync } = await import('node:fs');
      const sockets = () => readdirSync('/proc/self/fd').length;
      const before = sockets();
      // In a function of its own: the frame of this one is kept across each await, with the last socket in it.
      const leave = (i) => {
        const udp = UdpSocket.create({ family: i % 2 ? 'ipv4' : 'ipv6', slots: 1 + (i % 3) });
        if (i % 5 === 0) { udp.connect(i % 2 ? '127.0.0.1:1' : '[::1]:1'); udp.trySend(Buffer.alloc(10), { segmentSize: 3 }); }
        if (i % 7 === 0) udp.createSendBatch();
      };
      for (let i = 0; i < 10_000; i++) {
        leave(i);
        if (i % 200 === 0) await collect(3);
      }
      await until(() => sockets() <= before);
      return [sockets() - before, warnings.length];
    `)) as number[];
    expect(left).toBe(0);
    expect(count).toBeGreaterThan(0);
  });
});
