// Loading the package: import and require, several threads, several contexts, other platforms, runtimes that must not load addons;
// and what a child process inherits.
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NativeSocket, reserve } from '../../src/index.js';
import { nodeEnvironment, runNode, runWorker } from '../support/child.js';
import { expectNoNewFds, listFds } from '../support/fds.js';
import { accepted, listening, tcp, udp } from '../support/sockets.js';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const LOADED = `const loaded = () => /linux_sockets\\.node/.test(readFileSync('/proc/self/maps', 'utf8'));`;

let directory: string;
beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'linux-sockets-loading-'))));
afterAll(() => rmSync(directory, { recursive: true }));

describe('import', () => {
  test('import loads no addon; the first call does', async () => {
    const { stdout } = await runNode(`
      import { readFileSync } from 'node:fs';
      import { Endpoint, isSupported, NativeSocket, OPTIONS } from 'linux-sockets';
      ${LOADED}
      console.log(isSupported, Object.keys(OPTIONS).length > 40, String(Endpoint.from('[::1]:1')), loaded());
      NativeSocket.create({ family: 'ipv4', type: 'stream' }).close();
      console.log(loaded());
    `);
    expect(stdout).toBe('true true [::1]:1 false\ntrue\n');
  });

  test("import reads only the library and Node's built-in modules", async () => {
    const hook = `
      import { writeSync } from 'node:fs';
      export async function load(url, context, next) { writeSync(1, url + '\\n'); return next(url, context); }
    `;
    writeFileSync(join(directory, 'hook.mjs'), hook);
    const register = `import { register } from 'node:module'; register(${JSON.stringify(pathToFileURL(join(directory, 'hook.mjs')).href)});`;
    const { stdout } = await runNode(`await import('linux-sockets');`, {
      execArgv: ['--import', `data:text/javascript,${encodeURIComponent(register)}`],
    });
    const library = pathToFileURL(join(repository, 'lib')).href;
    const urls = stdout
      .trim()
      .split('\n')
      .filter((url) => !url.includes('[eval'));
    expect(urls.filter((url) => url.startsWith(library)).length).toBeGreaterThan(15);
    expect(
      urls.filter((url) => !url.startsWith(library) && !url.startsWith('node:') && !url.startsWith('data:')),
    ).toEqual([]);
    expect(urls.filter((url) => url.includes('/cli/'))).toEqual([]);
  });

  test('import opens nothing, starts nothing, and leaves globals and process unchanged', async () => {
    const { stdout, stderr } = await runNode(`
      import { readdirSync } from 'node:fs';
      const state = async () => {
        for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve)); // files are closed
        return JSON.stringify([
          readdirSync('/proc/self/fd').length,
          Object.getOwnPropertyNames(globalThis).sort(),
          process.eventNames().map(String),
          process.getActiveResourcesInfo(),
        ]);
      };
      for (const name of ['net', 'util', 'os', 'module', 'url', 'fs']) await import('node:' + name);
      const before = await state();
      await import('linux-sockets');
      console.log((await state()) === before);
    `);
    expect([stdout, stderr]).toEqual(['true\n', '']);
  });
});

describe('require', () => {
  test('require returns the same exports as import', async () => {
    const { stdout } = await runNode(
      `
        import { createRequire } from 'node:module';
        import * as imported from 'linux-sockets';
        const required = createRequire(process.cwd() + '/')('linux-sockets');
        console.log(Object.keys(imported).length > 5, Object.keys(imported).every((name) => imported[name] === required[name]));
        console.log(Object.keys(required).filter((name) => !(name in imported) && !name.startsWith('__')).join());
      `,
      { execArgv: ['--no-warnings'] },
    );
    expect(stdout).toBe('true true\n\n');
  });

  test('require works by path in a CommonJS program', async () => {
    const program = join(directory, 'program.cjs');
    writeFileSync(
      program,
      `
        const { NativeSocket, isSupported } = require(${JSON.stringify(join(repository, 'lib/index.js'))});
        const socket = NativeSocket.create({ family: 'ipv6', type: 'dgram' });
        console.log(isSupported, socket.state);
        socket.close();
      `,
    );
    const { stdout } = await runNode(program, { execArgv: ['--no-warnings'] });
    expect(stdout).toBe('true open\n');
  });
});

describe('threads and contexts', () => {
  const exchange = `
    const { NativeSocket } = await import('linux-sockets');
    const { parentPort } = require('node:worker_threads');
    for (let i = 0; i < 50; i++) {
      const receiver = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
      receiver.bind('127.0.0.1:0');
      const sender = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
      const waiting = receiver.readable();
      sender.sendmsg({ data: Buffer.from('message ' + i), to: receiver.local });
      await waiting;
      const buffer = Buffer.alloc(32);
      const { bytes } = receiver.recvmsg({ buffers: [buffer] });
      if (buffer.toString('utf8', 0, bytes) !== 'message ' + i) throw new Error('wrong message');
      receiver.close();
      sender.close();
    }
    parentPort.postMessage('done');
  `;

  test('the main thread and six workers use the package at once', async () => {
    await expectNoNewFds(async () => {
      const workers = Array.from({ length: 6 }, async () => runWorker(exchange));
      using receiver = udp();
      receiver.bind('127.0.0.1:0');
      using sender = udp();
      for (let i = 0; i < 200; i++) {
        const waiting = receiver.readable();
        sender.sendmsg({ data: Buffer.from('x'), to: receiver.local });
        await waiting;
        receiver.recvmsg({ buffers: [new Uint8Array(1)] });
      }
      for (const { messages, code } of await Promise.all(workers)) expect([messages, code]).toEqual([['done'], 0]);
    });
  });

  test('a worker loads the package first, and the main thread after the worker has ended', async () => {
    const { stdout } = await runNode(`
      import { Worker } from 'node:worker_threads';
      const source = ${JSON.stringify(`(async () => {${exchange}})()`)};
      for (let round = 0; round < 3; round++) {
        await new Promise((resolve, reject) => new Worker(source, { eval: true, execArgv: [] }).on('error', reject).on('exit', resolve));
      }
      const { NativeSocket } = await import('linux-sockets');
      const socket = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
      await socket.writable();
      console.log(socket.state);
    `);
    expect(stdout).toBe('open\n');
  });

  test('a descriptor that one thread detached is adopted by another', async () => {
    using listener = listening();
    const client = tcp();
    client.connect(listener.local);
    await client.connected();
    using server = await accepted(listener);
    const body = `
      const { NativeSocket } = await import('linux-sockets');
      const socket = NativeSocket.adopt(${client.detach()});
      socket.sendmsg({ data: Buffer.from('from the worker') });
      parentPort.postMessage(socket.state);
      socket.close();
    `;
    expect(await runWorker(body)).toEqual({ messages: ['connected'], code: 0 });
    await server.readable();
    const buffer = Buffer.alloc(32);
    expect(buffer.toString('utf8', 0, server.recvmsg({ buffers: [buffer] })!.bytes)).toBe('from the worker');
  });

  test("two copies of the package in one thread, also in another context, work and refuse each other's handles", async () => {
    const { stdout } = await runNode(
      `
        import { createRequire } from 'node:module';
        import { runInNewContext } from 'node:vm';
        import { constants } from 'node:os';
        const path = process.env.LINUX_SOCKETS_BINDING || process.cwd() + '/build/Release/linux_sockets.node';
        const first = createRequire(import.meta.url)(path);
        const second = { exports: {} };
        process.dlopen(second, path, constants.dlopen.RTLD_LAZY);
        const third = runInNewContext('const m = { exports: {} }; dlopen(m, path); m.exports', { dlopen: (m, p) => process.dlopen(m, p), path });
        const addons = [first, second.exports, third];
        console.log(new Set(addons.map(({ Handle }) => Handle)).size);
        for (const { Handle, Poll } of addons) {
          const handle = new Handle();
          const made = handle.socket(2, 2, 0);
          await new Promise((resolve) => {
            const poll = new Poll(() => { poll.close(); resolve(); });
            poll.open(handle);
            poll.start(2);
          });
          const others = addons.filter((addon) => addon.Handle !== Handle).map((addon) => {
            try { addon.Handle.prototype.close.call(handle); return 'taken'; } catch (error) { return error.name; }
          });
          console.log(made, others.join(), handle.fd() > 2, handle.close());
        }
        gc();
      `,
      { execArgv: ['--expose-gc'] },
    );
    expect(stdout).toBe(`3\n${'0 TypeError,TypeError true 0\n'.repeat(3)}`);
  });
});

describe('without an addon to load', () => {
  const attempts = `
    const attempt = (name, action) => {
      try { action(); console.log(name, 'worked'); }
      catch (error) { console.log(name, error.code, error instanceof SocketError); console.error(error.message); }
    };
    attempt('create', () => NativeSocket.create({ family: 'ipv4', type: 'stream' }));
    attempt('adopt', () => NativeSocket.adopt(1));
    attempt('setOption', () => setOption(1, 'SO_KEEPALIVE', true));
    attempt('getOption', () => getOption(1, { level: 1, name: 3 }));
    attempt('reserve', () => reserve({ remote: '192.0.2.1:53' }));
    attempt('reserveMany', () => reserveMany(2, { remote: '192.0.2.1:53' }));
    attempt('adopt reservation', () => PortReservation.adopt({ fd: 1, local: '127.0.0.1:1', remote: '127.0.0.1:1' }));
  `;
  const names = ['create', 'adopt', 'setOption', 'getOption', 'reserve', 'reserveMany', 'adopt reservation'];
  const IMPORT = `const { NativeSocket, SocketError, setOption, getOption, reserve, reserveMany, PortReservation, Endpoint, isSupported } = `;

  test.each(['darwin', 'win32', 'freebsd'])(
    'on %s the package can be imported, isSupported is false, and every call throws ERR_UNSUPPORTED_PLATFORM',
    async (platform) => {
      const { stdout, stderr } = await runNode(`
      import { readFileSync } from 'node:fs';
      Object.defineProperty(process, 'platform', { value: ${JSON.stringify(platform)} });
      ${IMPORT} await import('linux-sockets');
      ${LOADED}
      console.log(isSupported, String(Endpoint.from('[2001:db8::1]:53')), Endpoint.from('192.0.2.1:53').sockaddr().length);
      ${attempts}
      console.log(loaded());
    `);
      expect(stdout.trim().split('\n')).toEqual([
        'false [2001:db8::1]:53 16',
        ...names.map((name) => `${name} ERR_UNSUPPORTED_PLATFORM true`),
        'false',
      ]);
      expect(stderr).toContain(platform);
    },
  );

  test('on another platform every public function and constructor throws ERR_UNSUPPORTED_PLATFORM, except for endpoints', async () => {
    const calls = pathToFileURL(join(repository, 'test/runtimes/calls/index.mjs')).href;
    const { stdout } = await runNode(`
      Object.defineProperty(process, 'platform', { value: 'darwin' });
      const library = await import('linux-sockets');
      const { CALLS } = await import(${JSON.stringify(calls)});
      for (const { name, call } of CALLS) {
        let code = 'works';
        try { await call(library); } catch (error) { code = error.code; }
        if (code !== 'ERR_UNSUPPORTED_PLATFORM') console.log(code, name);
      }
      process.exit();
    `);
    const others = stdout
      .trim()
      .split('\n')
      .filter((line) => !/^works endpoint\.|^works Endpoint\./.test(line));
    expect(others).toEqual(['ERR_ASSERTION isSupported', 'works OPTIONS']);
  });

  const permission = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  test.each([
    ['--no-addons', ['--no-addons']],
    ['the permission model, with all files readable', [permission, '--allow-fs-read=*', '--no-warnings']],
  ])('%s: every call throws ERR_UNSUPPORTED and names the flags', async (_, execArgv) => {
    const { stdout, stderr } = await runNode(
      `${IMPORT} await import('linux-sockets'); console.log(isSupported); ${attempts}`,
      { execArgv },
    );
    expect(stdout.trim().split('\n')).toEqual(['true', ...names.map((name) => `${name} ERR_UNSUPPORTED true`)]);
    for (const line of stderr.trim().split('\n')) expect(line).toMatch(/--no-addons.*--allow-addons/);
  });

  test('with the permission model and --allow-addons every call works', async () => {
    const { stdout } = await runNode(
      `import { NativeSocket } from 'linux-sockets'; console.log(NativeSocket.create({ family: 'ipv4', type: 'stream' }).state);`,
      {
        execArgv: [permission, '--allow-fs-read=*', '--allow-addons', '--no-warnings'],
      },
    );
    expect(stdout).toBe('open\n');
  });

  // Node may report it (ERR_ACCESS_DENIED), or an unreadable file looks as if it did not exist.
  test('with the permission model that hides the binary the error does not say that it is missing', async () => {
    const readable = ['lib/', 'package.json', 'node_modules/'].map(
      (path) => `--allow-fs-read=${join(repository, path)}`,
    );
    const { stdout, stderr } = await runNode(
      `
        ${IMPORT} await import('linux-sockets');
        try { NativeSocket.create({ family: 'ipv4', type: 'stream' }); }
        catch (error) { console.log(error.code); console.error(error.message); }
      `,
      { execArgv: [permission, ...readable, '--no-warnings'] },
    );
    expect(stdout).toMatch(/^(ERR_ACCESS_DENIED|ERR_UNSUPPORTED)\n$/);
    expect(stderr).not.toContain('has no binary');
  });

  test('in a package without a binary isSupported is false, and the error lists where it was searched', async () => {
    const copy = join(directory, 'copy');
    cpSync(join(repository, 'lib'), join(copy, 'lib'), { recursive: true });
    cpSync(join(repository, 'package.json'), join(copy, 'package.json'));
    const { stdout, stderr } = await runNode(
      `const { isSupported, NativeSocket } = await import(${JSON.stringify(pathToFileURL(join(copy, 'lib/index.js')).href)});
       console.log(isSupported);
       try { NativeSocket.create({ family: 'ipv4', type: 'stream' }); } catch (error) { console.log(error.name, error.code); console.error(error.message); }`,
      { env: { LINUX_SOCKETS_BINDING: '' } },
    );
    expect(stdout).toBe('false\nSocketError ERR_UNSUPPORTED\n');
    expect(stderr).toContain(`linux-${process.arch}`);
    expect(stderr).toContain(join(copy, 'build/Release/linux_sockets.node'));
    expect(stderr).toContain(join(copy, `prebuilds/linux-${process.arch}`));
  });

  test('LINUX_SOCKETS_BINDING selects another binary', async () => {
    const link = join(directory, 'another.node');
    symlinkSync(process.env['LINUX_SOCKETS_BINDING'] ?? join(repository, 'build/Release/linux_sockets.node'), link);
    const script = `import { NativeSocket } from 'linux-sockets'; console.log(NativeSocket.create({ family: 'ipv4', type: 'stream' }).state);`;
    expect((await runNode(script, { env: { LINUX_SOCKETS_BINDING: link } })).stdout).toBe('open\n');
    const missing = await runNode(script, {
      env: { LINUX_SOCKETS_BINDING: join(directory, 'none.node') },
      allowFailure: true,
    });
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('none.node');
  });
});

describe('a child process', () => {
  /** Sockets of every origin. */
  async function sockets(): Promise<Disposable[] & { inodes: string[] }> {
    const listener = listening();
    const client = tcp();
    client.connect(listener.local);
    await client.connected();
    const all = [
      listener,
      client,
      await accepted(listener),
      udp('ipv6'),
      NativeSocket.adopt(tcp().detach()),
      reserve({ remote: '127.0.0.1:9' }),
    ];
    const fds = listFds();
    return Object.assign(all, { inodes: all.map(({ fd }) => fds.get(fd)!) });
  }

  test.each([
    ['spawned', async () => (await promisify(execFile)('sh', ['-c', 'readlink /proc/$$/fd/* || true'])).stdout],
    [
      'forked',
      async () => {
        const program = join(directory, 'child.mjs');
        writeFileSync(
          program,
          `
            import { readdirSync, readlinkSync } from 'node:fs';
            const links = readdirSync('/proc/self/fd').map((fd) => {
              try { return readlinkSync('/proc/self/fd/' + fd); } catch { return 'closed by now'; }
            });
            process.send(links.join('\\n'));
          `,
        );
        const child = fork(program, { execArgv: [], env: nodeEnvironment() });
        const closed = once(child, 'close');
        const [listing] = (await Promise.race([once(child, 'message'), closed])) as [unknown];
        await closed;
        return String(listing);
      },
    ],
  ])('a child process that is %s inherits no socket', async (_, list) => {
    const all = await sockets();
    const listing = await list();
    expect(listing).toMatch(/^(socket:|pipe:|\/dev\/)/m); // standard input and output at the least
    expect(all.inodes.every((inode) => /^socket:\[\d+\]$/.test(inode))).toBe(true);
    for (const inode of all.inodes) expect(listing).not.toContain(inode);
    for (const socket of all) socket[Symbol.dispose]();
  });
});
