// The end of the process at every stage of a socket's life: the expected exit code, nothing on stderr, no crash. And exceptions
// thrown in readiness callbacks: they reach the handler that any other exception would reach.
import { describe, expect, test } from 'vitest';
import { runNode } from '../support/child.js';

const PROLOGUE = `
  import { NativeSocket, reserve } from 'linux-sockets';
  import { native } from './lib/binding.js';
  const kept = globalThis.kept = []; // out of the garbage collector's reach, which warns
  const keep = (socket) => { kept.push(socket); return socket; };
  const udp = () => { const s = keep(NativeSocket.create({ family: 'ipv4', type: 'dgram' })); s.bind('127.0.0.1:0'); return s; };
  const tcp = () => keep(NativeSocket.create({ family: 'ipv4', type: 'stream' }));
  const full = async () => {
    const listener = globalThis.listener = tcp();
    listener.bind('127.0.0.1:0');
    listener.listen(0);
    const filler = globalThis.filler = tcp();
    filler.connect(listener.local);
    await filler.connected();
    return listener.local;
  };
  const rawPoll = (callback) => {
    const handle = globalThis.handle = new (native().Handle)();
    handle.socket(2, 2, 0);
    const poll = globalThis.poll = new (native().Poll)(callback);
    poll.open(handle);
    poll.start(2);
  };
`;

/** Scripts that end in EXIT. */
const stages: Record<string, string> = {
  'before anything': `EXIT`,
  'a socket is open': `tcp(); EXIT`,
  'a socket is bound': `udp(); EXIT`,
  'a socket is closed': `udp().close(); EXIT`,
  'a descriptor is detached': `udp().detach(); EXIT`,
  'a listener listens': `const s = tcp(); s.listen(); EXIT`,
  'a reservation is held': `keep(reserve({ remote: '127.0.0.1:9' })); EXIT`,
  'a wait is pending': `udp().readable().catch(() => {}); EXIT`,
  'a wait is pending, a turn later': `udp().readable().catch(() => {}); setImmediate(() => { EXIT });`,
  'a thousand waits are pending': `for (let i = 0; i < 1000; i++) udp().readable().catch(() => {}); EXIT`,
  'a wait has ended': `const s = udp(); await s.writable(); EXIT`,
  'a wait was aborted': `udp().readable({ signal: AbortSignal.abort() }).catch(() => { EXIT });`,
  'a connect is in progress': `const s = tcp(); s.connect(await full()); EXIT`,
  'a connect is waited for': `const s = tcp(); s.connect(await full()); s.connected().catch(() => {}); setImmediate(() => { EXIT });`,
  'a reservation is activated': `const r = keep(reserve({ remote: await full() })); r.activate().catch(() => {}); setImmediate(() => { EXIT });`,
  'a Poll calls back': `rawPoll(() => { EXIT });`,
  'a Poll calls back and is closed': `rawPoll(() => { poll.close(); handle.close(); EXIT });`,
  'a Poll calls back, in a microtask': `rawPoll(() => queueMicrotask(() => { EXIT }));`,
  'readiness calls back, with others pending': `const s = udp(); s.readable().catch(() => {}); s.writable().then(() => { EXIT });`,
  'an exception is handled': `process.on('uncaughtException', () => { EXIT }); rawPoll(() => { throw new Error('x'); });`,
};

describe('process.exit', () => {
  test.each(Object.entries(stages))('process.exit ends the process when %s', async (_, script) => {
    const ended = await runNode(`${PROLOGUE} ${script.replaceAll('EXIT', 'process.exit(7);')}`, { allowFailure: true });
    expect(ended).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
  });
});

describe('a process exits by itself without a warning', () => {
  const ending = Object.entries(stages).filter(
    ([stage]) => !/pending|progress|waited for|activated|calls back|exception/.test(stage),
  );
  test.each(ending)('a process exits by itself without a warning when %s', async (_, script) => {
    const ended = await runNode(`${PROLOGUE} ${script.replaceAll('EXIT', '')}`);
    expect(ended).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
  });
});

describe('an exception', () => {
  const HANDLER = `process.on('uncaughtException', (error, origin) => { console.log(error.message, origin); });`;

  test('an exception from a Poll callback reaches uncaughtException, and the loop continues', async () => {
    const { stdout, stderr } = await runNode(`${PROLOGUE} ${HANDLER}
      let calls = 0;
      rawPoll(() => {
        if (++calls === 3) { poll.close(); handle.close(); }
        throw new Error('call ' + calls);
      });
    `);
    expect(stdout).toBe([1, 2, 3].map((call) => `call ${call} uncaughtException\n`).join(''));
    expect(stderr).toBe('');
  });

  test('an exception from a tick or microtask queued by a continuation reaches uncaughtException', async () => {
    const { stdout, stderr } = await runNode(`${PROLOGUE} ${HANDLER}
      const s = udp();
      await s.writable();
      queueMicrotask(() => { throw new Error('microtask'); });
      await s.writable();
      process.nextTick(() => { throw new Error('tick'); });
      await s.writable();
      setImmediate(() => { throw new Error('immediate'); });
      await s.writable();
      await s.writable();
      console.log('still here');
      s.close();
    `);
    expect(stdout.split('\n').sort()).toEqual(
      ['', 'immediate uncaughtException', 'microtask uncaughtException', 'still here', 'tick uncaughtException'].sort(),
    );
    expect(stderr).toBe('');
  });

  test('an exception from an async continuation is an unhandled rejection', async () => {
    const { stdout, stderr } = await runNode(`${PROLOGUE} ${HANDLER}
      const s = udp();
      (async () => { await s.writable(); throw new Error('after the wait'); })();
      await s.writable();
      await new Promise((resolve) => setImmediate(resolve));
      await s.writable();
      console.log('still here');
    `);
    expect([stdout, stderr]).toEqual(['after the wait unhandledRejection\nstill here\n', '']);
  });

  test('an exception that is not handled ends the process with code 1 and its stack', async () => {
    const raw = await runNode(`${PROLOGUE} rawPoll(() => { throw new Error('nobody'); });`, { allowFailure: true });
    expect(raw).toMatchObject({ code: 1, signal: null, stdout: '' });
    expect(raw.stderr).toMatch(/Error: nobody\n\s+at /);
    const later = await runNode(
      `${PROLOGUE} await udp().writable(); queueMicrotask(() => { throw new Error('later'); }); udp().readable();`,
      {
        allowFailure: true,
      },
    );
    expect(later).toMatchObject({ code: 1, signal: null });
    expect(later.stderr).toContain('Error: later');
  });

  test('an exception that is not an Error reaches uncaughtException', async () => {
    const { stdout } = await runNode(`${PROLOGUE}
      const thrown = [undefined, null, 0, 'text', Symbol.for('symbol')];
      process.on('uncaughtException', (value) => { console.log(typeof value); });
      rawPoll(() => {
        if (thrown.length === 1) { poll.close(); handle.close(); }
        throw thrown.shift();
      });
    `);
    expect(stdout).toBe('undefined\nobject\nnumber\nstring\nsymbol\n');
  });
});

test('a beforeExit handler may continue with new sockets', async () => {
  const { stdout } = await runNode(`${PROLOGUE}
    let rounds = 0;
    process.on('beforeExit', async () => {
      if (++rounds > 3) return;
      const s = udp();
      await s.writable();
      console.log(rounds);
      s.close();
    });
  `);
  expect(stdout).toBe('1\n2\n3\n');
});

test('exit handlers may still use sockets, and their waits never end', async () => {
  const { stdout } = await runNode(`${PROLOGUE}
    const s = udp();
    process.on('exit', () => {
      console.log(s.state, s.local.address);
      s.writable().then(() => console.log('never'), () => {});
      s.close();
      udp().readable().catch(() => {});
    });
  `);
  expect(stdout).toBe('bound 127.0.0.1\n');
});
