// examples/transparent-proxy between the namespaces of a client and a server, set up by the commands that its --help prints.
import { execFile, execFileSync, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { nodeEnvironment, runNode, startNode, type RunningChild } from '../support/child.js';
import { missingNeeds } from '../support/kernel.js';
import { NetworkNamespace } from '../support/namespace.js';

const EXAMPLE = new URL('../../examples/transparent-proxy/main.mjs', import.meta.url).pathname;
const missing = missingNeeds({ tools: ['nft', 'ip', 'curl', 'setpriv'] });
const directory = mkdtempSync(join(tmpdir(), 'linux-sockets-tproxy-'));

/** On port 80 it reports its client, and the length and hash of the body; 81 is closed; on 82 it answers after the client's end. */
const SERVER = `
  const { createHash } = require('node:crypto');
  const http = require('node:http');
  const net = require('node:net');
  http.createServer((request, response) => {
    const hash = createHash('sha256');
    let length = 0;
    request.on('data', (chunk) => { hash.update(chunk); length += chunk.length; });
    request.on('end', () => {
      response.setHeader('x-hash', hash.digest('hex'));
      response.setHeader('x-from', request.socket.remoteAddress);
      response.end(Buffer.alloc(length, 0x61));
    });
  }).listen(80, '::', () => {
    net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.once('data', () => socket.write('first '));
      socket.resume().on('end', () => socket.end('last'));
    }).listen(82, '::', () => console.log('ready'));
  });
`;

/** A handshake with `::`, port 80, by raw packets: connect(2) would not do it. */
const DIALS_UNSPECIFIED = `
  import { NativeSocket } from 'linux-sockets';
  const own = Buffer.from('fd010000000000000000000000000002', 'hex');
  const sends = NativeSocket.create({ family: 'ipv6', type: 'raw', protocol: 255 });
  const hears = NativeSocket.create({ family: 'ipv6', type: 'raw', protocol: 6 });
  const send = (sequence, acknowledged, flags) => {
    const packet = Buffer.alloc(60);
    packet.writeUInt32BE(0x60000000);
    packet.set([0, 20, 6, 64], 4);
    packet.set(own, 8);
    const tcp = packet.subarray(40);
    tcp.writeUInt16BE(5555);
    tcp.writeUInt16BE(80, 2);
    tcp.writeUInt32BE(sequence, 4);
    tcp.writeUInt32BE(acknowledged, 8);
    tcp.set([0x50, flags, 0xff, 0xff], 12);
    let sum = 20 + 6;
    for (let i = 8; i < packet.length; i += 2) sum += packet.readUInt16BE(i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    tcp.writeUInt16BE(~sum & 0xffff, 16);
    sends.sendmsg({ data: packet, to: { address: 'fd01::1', port: 0 } });
  };
  send(1000, 0, 0x02);
  const segment = Buffer.alloc(1500);
  do {
    await hears.readable();
    hears.recvmsg({ buffers: [segment] });
  } while (segment.readUInt16BE(2) !== 5555 || segment[13] !== 0x12);
  send(1001, segment.readUInt32BE(4) + 1, 0x10);
`;

let client: NetworkNamespace;
let server: NetworkNamespace;
let serving: ChildProcess;

beforeAll(async () => {
  if (missing !== undefined) return;
  client = await NetworkNamespace.create();
  server = await NetworkNamespace.create();
  await client.link('current', {
    addresses: ['10.1.0.2/24', 'fd01::2/64'],
    peerAddresses: ['10.1.0.1/24', 'fd01::1/64'],
  });
  await server.link('current', {
    addresses: ['10.2.0.2/24', 'fd02::2/64'],
    peerAddresses: ['10.2.0.1/24', 'fd02::1/64'],
  });
  for (const [namespace, number] of [
    [client, '1'],
    [server, '2'],
  ] as const) {
    await namespace.run('ip', 'route', 'add', 'default', 'via', `10.${number}.0.1`);
    await namespace.run('ip', '-6', 'route', 'add', 'default', 'via', `fd0${number}::1`);
  }
  serving = server.spawn(process.execPath, ['--eval', SERVER], { env: nodeEnvironment() });
  await once(serving.stdout!, 'data');
  execFileSync('sh', ['-ec', await commands()]);
});

afterAll(async () => {
  rmSync(directory, { recursive: true });
  if (missing !== undefined) return;
  serving.kill('SIGKILL');
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

afterEach(() => {
  if (missing !== undefined) return;
  execFileSync('nft', ['flush', 'chain', 'inet', 'transparent_proxy', 'more']);
});

describe.skipIf(missing !== undefined)(`with nft${missing === undefined ? '' : ` (${missing})`}`, () => {
  test.each([
    ['10.2.0.2', '::ffff:10.1.0.2', '10.1.0.2:'],
    ['fd02::2', 'fd01::2', 'fd01::2:'],
  ])(
    'transparent-proxy: the server at %s sees the address of the client, and every byte arrives in both directions',
    async (address, seen, logged) => {
      await using proxy = await started();
      const body = randomBytes(5_000_000);
      const file = join(directory, 'body');
      writeFileSync(file, body);
      const out = join(directory, 'answer');
      const host = address.includes(':') ? `[${address}]` : address;
      const headers = await client.run(
        ...(['curl', '--silent', '--show-error', '--globoff', '--dump-header', '-', '--output', out] as const),
        ...['--max-time', '20', '--data-binary', `@${file}`, '--header', 'Expect:', `http://${host}/`],
      );
      expect(headers).toMatch(new RegExp(`^x-from: ${seen}\r$`, 'm'));
      expect(headers).toContain(createHash('sha256').update(body).digest('hex'));
      expect(readFileSync(out).equals(Buffer.alloc(body.length, 0x61))).toBe(true);
      await proxy.printed(
        new RegExp(`${logged.replaceAll(':', '\\:')}\\d+ -> ${address}:80: \\d{7} bytes sent, \\d{7} received`),
      );
    },
  );

  test('transparent-proxy: the nft rule redirects connections, so that none arrives while the proxy does not run', async () => {
    const { code } = await fails(client.run('curl', '--silent', '--connect-timeout', '1', 'http://10.2.0.2/'));
    expect(code).toBe(28);
  });

  test('transparent-proxy: a client that has ended still receives data', async () => {
    redirect(82);
    await using _ = await started();
    const said = await client.run(
      process.execPath,
      '--eval',
      `const socket = require('node:net').connect({ port: 82, host: '10.2.0.2', allowHalfOpen: true });
       socket.write('question');
       socket.once('data', () => socket.end());
       socket.pipe(process.stdout);`,
    );
    expect(said).toBe('first last');
  });

  test('transparent-proxy: the client gets a reset when the server refuses, and the log has the error', async () => {
    redirect(81);
    await using proxy = await started();
    const said = await client.run(
      process.execPath,
      '--eval',
      `require('node:net').connect(81, '10.2.0.2').on('error', ({ code }) => console.log(code)).resume();`,
    );
    expect(said).toBe('ECONNRESET\n');
    await proxy.printed(/-> 10\.2\.0\.2:81 failed: connect ECONNREFUSED 10\.2\.0\.2:81/);
  });

  test.each(['10.1.0.1', 'fd01::1'])(
    'transparent-proxy: a connection to the proxy itself at %s is closed, and none is made',
    async (address) => {
      await using proxy = await started();
      const before = descriptors(proxy);
      const host = address.includes(':') ? `[${address}]` : address;
      const { code } = await fails(
        client.run('curl', '--silent', '--globoff', '--max-time', '5', `http://${host}:3129/`),
      );
      expect([52, 56]).toContain(code);
      const line = await proxy.printed(/.* refused: .*/);
      expect(line[0]).toContain('its destination is the proxy itself');
      expect(descriptors(proxy)).toBe(before);
    },
  );

  test('transparent-proxy: a connection to the unspecified address, which would reach the router itself, is closed', async () => {
    await using proxy = await started();
    // The client's kernel does not know this connection, and would reset it.
    const quiet = 'table ip6 quiet { chain output { type filter hook output priority filter; tcp flags rst drop; }; }';
    await client.run('nft', quiet);
    await client.run(process.execPath, '--input-type=module', '--eval', DIALS_UNSPECIFIED);
    await client.run('nft', 'delete table ip6 quiet');
    const [line] = await proxy.printed(/.*fd01::2:5555 .*/);
    expect(line).toBe('fd01::2:5555 refused: its destination is the unspecified address');
  });

  test('transparent-proxy: connections to the router itself are not redirected', async () => {
    await using proxy = await started();
    const { code } = await fails(client.run('curl', '--silent', '--max-time', '5', 'http://10.1.0.1/'));
    expect(code).toBe(7); // nobody listens on its port 80
    expect(await stopped(proxy)).not.toContain('->');
  });

  test('transparent-proxy: after SIGTERM it accepts no connections, and an open one continues to its end', async () => {
    redirect(82);
    await using proxy = await started();
    const talking = client.spawn(process.execPath, [
      '--eval',
      `const socket = require('node:net').connect(82, '10.2.0.2');
       socket.write('question');
       process.stdin.once('data', () => socket.end());
       socket.pipe(process.stdout);`,
    ]);
    expect(String((await once(talking.stdout!, 'data'))[0])).toBe('first ');
    proxy.child.kill('SIGTERM');
    await refuses();
    talking.stdin!.write('go on');
    expect(String((await once(talking.stdout!, 'data'))[0])).toBe('last');
    expect(await proxy.result).toMatchObject({ code: 0, stderr: '' });
    talking.kill();
  });

  test('transparent-proxy: open connections are closed after --grace', async () => {
    redirect(82);
    await using proxy = await started('--grace', '0');
    const talking = client.spawn(process.execPath, [
      '--eval',
      `const socket = require('node:net').connect(82, '10.2.0.2');
       socket.write('question');
       socket.on('error', () => {}).pipe(process.stdout);`,
    ]);
    await once(talking.stdout!, 'data');
    const ended = once(talking, 'exit');
    proxy.child.kill('SIGTERM');
    expect(await proxy.result).toMatchObject({ code: 0, stderr: '' });
    await ended;
  });

  test('transparent-proxy: fails without the capability, with an error that names it', async () => {
    const without = '-net_admin,-net_raw';
    const run = promisify(execFile)(
      'setpriv',
      [`--bounding-set=${without}`, `--inh-caps=${without}`, '--', process.execPath, EXAMPLE],
      { env: nodeEnvironment() },
    );
    const { code, stderr } = await fails(run);
    expect(code).toBe(1);
    expect(stderr).toContain('CAP_NET_ADMIN or CAP_NET_RAW');
  });
});

test('transparent-proxy: exits with status 2 for wrong arguments, with 1 for a port in use', async () => {
  for (const args of [['--port', '65536'], ['--port', 'http'], ['--grace', '-1'], ['--nope'], ['extra']]) {
    const { code, stderr } = await runNode(EXAMPLE, { args, allowFailure: true });
    expect({ args, code }).toEqual({ args, code: 2 });
    expect(stderr).toMatch(/^error: /);
  }
  await using _ = await started();
  const second = await runNode(EXAMPLE, { allowFailure: true });
  expect(second.code).toBe(1);
  expect(second.stderr).toContain('EADDRINUSE');
});

async function started(...args: readonly string[]): Promise<RunningChild> {
  const proxy = startNode(EXAMPLE, { args });
  await proxy.printed(/Listening on port 3129\./);
  return proxy;
}

async function stopped(proxy: RunningChild): Promise<string> {
  proxy.child.kill('SIGTERM');
  return (await proxy.result).stdout;
}

/** The commands in --help, and a chain for more ports, to which tests add rules. */
async function commands(): Promise<string> {
  const { stdout } = await runNode(EXAMPLE, { args: ['--help'] });
  const found = /^ {2}ip rule add[^]*?\}'$/m.exec(stdout)?.[0] ?? '';
  return `${found}
    nft add chain inet transparent_proxy more
    nft add rule inet transparent_proxy prerouting jump more`;
}

function redirect(port: number): void {
  const rule = ['inet', 'transparent_proxy', 'more', 'tcp', 'dport', String(port), 'tproxy', 'to', ':3129'];
  execFileSync('nft', ['add', 'rule', ...rule, 'meta', 'mark', 'set', '1', 'accept']);
}

/** Resolves when the proxy's listener is closed: the rule does not redirect this connection. */
async function refuses(): Promise<void> {
  for (;;) {
    const { code } = await fails(
      promisify(execFile)('curl', ['--silent', '--max-time', '5', 'http://127.0.0.1:3129/']),
    );
    if (code === 7) return;
  }
}

function descriptors(proxy: RunningChild): number {
  return readdirSync(`/proc/${String(proxy.child.pid)}/fd`).length;
}

async function fails(run: Promise<unknown>): Promise<{ code: unknown; stderr: string }> {
  try {
    await run;
  } catch (error) {
    return error as { code: unknown; stderr: string };
  }
  throw new Error('the command did not fail');
}
