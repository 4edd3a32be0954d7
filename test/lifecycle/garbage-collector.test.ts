// The safety net for sockets that are not closed: the garbage collector closes them, with a warning, but never one with a
// pending wait.
import { describe, expect, test } from 'vitest';
import { runNode, type ChildResult } from '../support/child.js';

const PROLOGUE = `
  import { existsSync, readlinkSync } from 'node:fs';
  import { NativeSocket, reserve } from 'linux-sockets';
  import { native } from './lib/binding.js';
  const warnings = [];
  process.on('warning', (warning) => warnings.push(warning));
  const udp = () => { const s = NativeSocket.create({ family: 'ipv4', type: 'dgram' }); s.bind('127.0.0.1:0'); return s; };
  const tcp = () => NativeSocket.create({ family: 'ipv4', type: 'stream' });
  const open = (fd) => existsSync('/proc/self/fd/' + fd) && readlinkSync('/proc/self/fd/' + fd).startsWith('socket:');
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  /** Collects until the condition holds. */
  const until = async (condition) => {
    for (let i = 0; i < 200; i++) {
      if (condition()) return;
      gc();
      await turn();
    }
    throw new Error('it was never so: ' + condition);
  };
  /** Collects more than enough. */
  const collect = async () => { for (let i = 0; i < 20; i++) { gc(); await turn(); } };
  const send = (to, text = 'x') => { const s = NativeSocket.create({ family: 'ipv4', type: 'dgram' }); s.sendmsg({ data: Buffer.from(text), to }); s.close(); };
  const report = (...values) => console.log(JSON.stringify(values));
`;

async function run(script: string): Promise<unknown[]> {
  const { stdout } = await runCollecting(script);
  return JSON.parse(stdout) as unknown[];
}

/** Without the warnings on stderr, which the test reads as objects. */
async function runCollecting(script: string, execArgv: readonly string[] = ['--no-warnings']): Promise<ChildResult> {
  return runNode(`${PROLOGUE} ${script}`, { execArgv: ['--expose-gc', ...execArgv] });
}

describe('garbage collection of what was not closed', () => {
  test('garbage collection of a NativeSocket closes it and emits one warning that names it', async () => {
    const [fds, codes, names, messages, stillOpen] = await run(`
      const make = () => [tcp(), udp(), tcp(), udp(), udp()].map(({ fd }) => fd);
      const fds = make();
      await until(() => fds.every((fd) => !open(fd)) && warnings.length >= fds.length);
      await collect();
      report(fds, warnings.map(({ code }) => code), warnings.map(({ name }) => name), warnings.map(({ message }) => message), fds.some(open));
    `);
    expect(fds).toHaveLength(5);
    expect(codes).toEqual(Array(5).fill('LINUX_SOCKETS_NOT_CLOSED'));
    expect(names).toEqual(Array(5).fill('LinuxSocketsWarning'));
    for (const fd of fds as number[]) {
      const naming = (messages as string[]).filter((message) => new RegExp(`\\b${fd}\\b`).test(message));
      expect(naming).toHaveLength(1);
    }
    expect(stillOpen).toBe(false);
  });

  test.each([
    ['listener', `const s = tcp(); s.listen(); return s.fd;`],
    ['socket that was waited for', `const s = udp(); s.writable().then(() => {}); return s.fd;`],
    [
      'socket whose wait was aborted',
      `const s = udp(); const c = new AbortController(); s.readable({ signal: c.signal }).catch(() => {}); c.abort(); return s.fd;`,
    ],
    ['reservation', `return reserve({ remote: '127.0.0.1:9' }).fd;`],
    ['adopted socket', `return NativeSocket.adopt(udp().detach()).fd;`],
    ['native Handle', `const h = new (native().Handle)(); h.socket(2, 1, 0); return h.fd();`],
  ])('garbage collection also closes the descriptor: %s', async (_, make) => {
    const [codes, stillOpen] = await run(`
      const fd = (() => { ${make} })();
      await until(() => !open(fd) && warnings.length > 0);
      await collect();
      report(warnings.map(({ code }) => code), open(fd));
    `);
    expect([codes, stillOpen]).toEqual([['LINUX_SOCKETS_NOT_CLOSED'], false]);
  });

  test('garbage collection of an accepted connection closes its descriptor, and the other side sees the end', async () => {
    const [bytes] = await run(`
      const listener = tcp();
      listener.listen();
      const client = tcp();
      client.connect({ address: '127.0.0.1', port: listener.local.port });
      await client.connected();
      await listener.readable();
      (() => { listener.accept(); })();
      const ended = client.readable();
      let done = false;
      ended.then(() => (done = true));
      await until(() => done);
      report(client.recvmsg({ buffers: [new Uint8Array(1)] }).bytes, listener.state);
    `);
    expect(bytes).toBe(0);
  });

  test('garbage collection of a reservation frees its port', async () => {
    const [ports] = await run(`
      const take = () => reserve({ remote: '127.0.0.1:9', local: { address: '127.0.0.1' }, localPortRange: [40000, 40000] });
      const fd = (() => take().fd)();
      await until(() => !open(fd));
      report([take().local.port]);
    `);
    expect(ports).toEqual([40_000]);
  });

  test('garbage collection of a socket in a worker closes its descriptor, with a warning in the worker', async () => {
    const { stdout } = await runNode(
      `
        import { Worker } from 'node:worker_threads';
        const source = ${JSON.stringify(`
          const { parentPort } = require('node:worker_threads');
          const { existsSync } = require('node:fs');
          process.on('warning', ({ code }) => parentPort.postMessage(code));
          (async () => {
            const { NativeSocket } = await import('linux-sockets');
            const fd = (() => NativeSocket.create({ family: 'ipv4', type: 'stream' }).fd)();
            for (let i = 0; i < 200 && existsSync('/proc/self/fd/' + fd); i++) {
              gc();
              await new Promise((resolve) => setImmediate(resolve));
            }
          })();
        `)};
        new Worker(source, { eval: true, execArgv: ['--no-warnings'] }).on('message', (code) => console.log(code)).on('exit', console.log);
      `,
      { execArgv: ['--expose-gc'] },
    );
    expect(stdout).toBe('LINUX_SOCKETS_NOT_CLOSED\n0\n');
  });
});

describe('garbage collection and pending waits', () => {
  test('garbage collection does not close a socket with a pending readable(), even when nothing else refers to it', async () => {
    const [kept, early, text] = await run(`
      const events = [];
      const { fd, local } = (() => {
        const s = udp();
        s.readable().then(() => {
          const buffer = Buffer.alloc(16);
          events.push(buffer.toString('utf8', 0, s.recvmsg({ buffers: [buffer] }).bytes));
        });
        return { fd: s.fd, local: s.local };
      })();
      await collect();
      const kept = open(fd);
      const early = warnings.length;
      send(local, 'woken');
      await until(() => events.length > 0);
      report(kept, early, events[0]);
    `);
    expect([kept, early, text]).toEqual([true, 0, 'woken']);
  });

  test('garbage collection does not close a socket with a pending readable() whose promise is unused; after it the socket is collected', async () => {
    const [kept, early, after] = await run(`
      const { fd, local } = (() => { const s = udp(); s.readable(); return { fd: s.fd, local: s.local }; })();
      await collect();
      const kept = open(fd);
      const early = warnings.length;
      send(local);
      await until(() => !open(fd) && warnings.length > 0);
      report(kept, early, warnings.map(({ code }) => code));
    `);
    expect([kept, early, after]).toEqual([true, 0, ['LINUX_SOCKETS_NOT_CLOSED']]);
  });

  test('garbage collection does not close a socket with a pending connected()', async () => {
    const [kept, early, state] = await run(`
      const listener = tcp();
      listener.bind('127.0.0.1:0');
      listener.listen(0);
      const filler = tcp();
      filler.connect(listener.local);
      await filler.connected();
      let state;
      const fd = (() => { const s = tcp(); s.connect(listener.local); s.connected().then(() => (state = s.state)); return s.fd; })();
      await collect();
      const kept = open(fd);
      const early = warnings.length;
      listener.listen(10);
      const first = listener.accept();
      while (state === undefined) await turn();
      report(kept, early, state, filler.state, first.socket.state);
    `);
    expect([kept, early, state]).toEqual([true, 0, 'connected']);
  });

  test('garbage collection does not close a socket with a pending activate()', async () => {
    const [early, open] = await run(`
      const listener = tcp();
      listener.bind('127.0.0.1:0');
      listener.listen(0);
      const filler = tcp();
      filler.connect(listener.local);
      await filler.connected();
      let socket;
      (() => { reserve({ remote: listener.local }).activate().then((s) => (socket = s)); })();
      await collect();
      const early = warnings.length;
      listener.listen(10);
      const first = listener.accept();
      while (socket === undefined) await turn();
      report(early, socket.readyState, filler.state, first.socket.state);
      socket.destroy();
    `);
    expect([early, open]).toEqual([0, 'open']);
  });

  test('garbage collection does not close a socket with a wait with an AbortSignal, which still ends the wait', async () => {
    const [kept, code] = await run(`
      const controller = new AbortController();
      let code;
      const fd = (() => { const s = udp(); s.readable({ signal: controller.signal }).catch((error) => (code = error.code)); return s.fd; })();
      await collect();
      const kept = open(fd);
      controller.abort();
      await turn();
      report(kept, code);
    `);
    expect([kept, code]).toEqual([true, 'ABORT_ERR']);
  });
});

describe('garbage collection without a warning', () => {
  test.each([
    ['after close', `const s = udp(); s.close(); return s.fd;`],
    [
      'after close of a socket with a pending wait',
      `const s = udp(); s.readable().catch(() => {}); s.close(); return s.fd;`,
    ],
    ['after a using scope', `const s = udp(); s[Symbol.dispose](); return s.fd;`],
    ['after detach', `return udp().detach() && -1;`],
    ['after release', `reserve({ remote: '127.0.0.1:9' }).release(); return -1;`],
    [
      'after a create that failed',
      `try { NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts: { SO_BINDTODEVICE: 'none' } }); } catch {} return -1;`,
    ],
    ['after an accept without a connection', `const s = tcp(); s.listen(); s.accept(); s.close(); return -1;`],
    ['after an adopt that failed', `try { NativeSocket.adopt(1); } catch {} return -1;`],
  ])('garbage collection emits no warning %s', async (_, make) => {
    const [fd, codes] = await run(`
      const fd = (() => { ${make} })();
      await collect();
      report(fd, warnings.map(({ code }) => code));
    `);
    expect([fd, codes]).toEqual([-1, []]);
  });

  test('garbage collection emits no warning for sockets that are still referenced', async () => {
    const [codes, states] = await run(`
      const kept = [udp(), tcp(), reserve({ remote: '127.0.0.1:9' })];
      await collect();
      report(warnings.map(({ code }) => code), kept.map(({ fd }) => open(fd)));
    `);
    expect([codes, states]).toEqual([[], [true, true, true]]);
  });
});

test('the warning of a collected socket has its code and its advice', async () => {
  const { stderr } = await runCollecting(
    `
      (() => { udp(); })();
      await until(() => warnings.length > 0);
    `,
    [],
  );
  expect(stderr).toMatch(
    /^\(node:\d+\) \[LINUX_SOCKETS_NOT_CLOSED\] LinuxSocketsWarning: A socket \(descriptor \d+\) was closed/,
  );
});

test('a Poll whose callback was collected does not start, and closes', async () => {
  const results = await run(`
    const { Handle, Poll } = native();
    const handle = new Handle();
    handle.socket(2, 2, 0);
    const watched = [];
    const poll = (() => { const callback = () => {}; watched.push(new WeakRef(callback)); return new Poll(callback); })();
    const opened = poll.open(handle);
    await collect(); // reading the WeakRef in between would keep the object
    report(opened, watched[0].deref() === undefined, poll.start(1), poll.start(3), poll.stop(), poll.close(), handle.close());
  `);
  expect(results).toEqual([0, true, -125, -125, 0, 0, 0]); // ECANCELED
});

test('a detached descriptor is not closed when its socket is collected', async () => {
  const [stillOpen] = await run(`
    const fd = (() => udp().detach())();
    await collect();
    report(open(fd));
  `);
  expect(stillOpen).toBe(true);
});

test('10,000 unreferenced sockets are collected before the process runs out of descriptors', async () => {
  const [made, left] = await run(`
    let made = 0;
    for (; made < 10_000; made++) {
      udp();
      if (made % 100 === 99) { gc(); await turn(); }
    }
    await collect();
    let left = 0;
    for (let fd = 3; fd < 1000; fd++) if (open(fd)) left++;
    report(made, left);
  `);
  expect([made, left]).toEqual([10_000, 0]);
});
