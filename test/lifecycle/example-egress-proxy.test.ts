// examples/egress-proxy, used by curl and by raw clients: the sources of connections, who may connect, and that
// nothing is left when one side fails.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runNode } from '../support/child.js';
import { startProxy, startProxyWith, type RunningProxy } from '../support/egress-proxy.js';
import { setSysctl } from '../support/sysctl.js';

const exec = promisify(execFile);
const MAIN = new URL('../../examples/egress-proxy/main.mjs', import.meta.url).pathname;

beforeAll(async () => {
  await exec('ip', ['route', 'add', 'local', '10.9.0.0/24', 'dev', 'lo']);
  await exec('ip', ['-6', 'route', 'add', 'local', 'fd00:9::/64', 'dev', 'lo']);
  await exec('ip', ['-6', 'route', 'add', 'local', 'fd00:8::/64', 'dev', 'lo']);
});

describe('egress-proxy through curl', () => {
  // Answers with the address and port of its client.
  const upstream = createHttpServer((request, response) => {
    response.setHeader('connection', 'close').end(`${request.socket.remoteAddress} ${request.socket.remotePort}`);
  });
  let port: number;

  beforeAll(async () => {
    upstream.listen({ port: 0, host: '::' });
    await once(upstream, 'listening');
    ({ port } = upstream.address() as AddressInfo);
    return () => void upstream.close();
  });

  test.each(['http', 'socks'] as const)(
    '%s: connections leave from the sources in turn, and from the port range',
    async (protocol) => {
      await using proxy = await startProxy('--source', '10.9.0.1', '--source', '10.9.0.2', '--ports', '40000-40099');
      const seen = [];
      for (let i = 0; i < 4; i++) seen.push(await curl(proxy, protocol, `http://127.0.0.1:${port}/`));
      expect(seen.map((line) => line.split(' ')[0])).toEqual(
        ['10.9.0.1', '10.9.0.2', '10.9.0.1', '10.9.0.2'].map((address) => `::ffff:${address}`),
      );
      for (const line of seen) {
        const from = Number(line.split(' ')[1]);
        expect(from).toBeGreaterThanOrEqual(40000);
        expect(from).toBeLessThanOrEqual(40099);
      }
    },
  );

  test.each(['http', 'socks'] as const)(
    '%s: an IPv6 destination is reached from an address of a prefix',
    async (protocol) => {
      await using proxy = await startProxy('--source', 'fd00:9::/64', '--strategy', 'random');
      const seen = await curl(proxy, protocol, `http://[fd00:8::1]:${port}/`);
      expect(seen).toMatch(/^fd00:9:/);
    },
  );

  test('--strategy sticky: the same user gets the same address', async () => {
    await using proxy = await startProxyWith(
      { EGRESS_PROXY_AUTH: 'panda:bamboo' },
      ...['--source', '10.9.0.0/24', '--strategy', 'sticky'],
    );
    const seen = new Set<string | undefined>();
    for (let i = 0; i < 3; i++) {
      const line = await curl(proxy, 'http', `http://127.0.0.1:${port}/`, '--proxy-user', 'panda:bamboo');
      seen.add(line.split(' ')[0]);
    }
    expect(seen.size).toBe(1);
    expect([...seen][0]).toMatch(/^::ffff:10\.9\.0\./);
  });

  test.each(['http', 'socks'] as const)(
    '%s: egress-proxy refuses requests without the right credentials',
    async (protocol) => {
      await using proxy = await startProxyWith({ EGRESS_PROXY_AUTH: 'panda:bamboo' }, '--source', '10.9.0.1');
      const url = `http://127.0.0.1:${port}/`;
      await expect(curl(proxy, protocol, url)).rejects.toThrow(
        protocol === 'http' ? /407/ : /No authentication|method/i,
      );
      for (const wrong of ['panda:grass', 'bear:bamboo', 'panda:bambooo']) {
        await expect(curl(proxy, protocol, url, '--proxy-user', wrong)).rejects.toThrow(/407|SOCKS5|rejected/i);
      }
      expect(await curl(proxy, protocol, url, '--proxy-user', 'panda:bamboo')).toMatch(/^::ffff:10\.9\.0\.1 /);
    },
  );

  test('/metrics counts a tunnel, its bytes, and the connections of the source', async () => {
    await using proxy = await startProxy('--source', '10.9.0.1');
    await curl(proxy, 'http', `http://127.0.0.1:${port}/`);
    await proxy.logged('ended');
    const text = await proxy.metrics();
    expect(text).toContain('egress_proxy_tunnels_total{protocol="http",result="ended"} 1');
    expect(text).toContain('egress_proxy_source_connections{source="10.9.0.1",state="held"} 0');
    expect(text).toMatch(/egress_proxy_bytes_total\{direction="received"\} [1-9]/);
    expect(text).toContain('process_open_fds');
  });
});

describe('egress-proxy refuses', () => {
  test.each([
    ['a denied prefix', ['--deny', '10.9.0.0/24'], '10.9.0.77:80', 403],
    ['a denied address as an IPv4-mapped one', ['--deny', '10.9.0.0/24'], '[::ffff:10.9.0.77]:80', 403],
    ['a name that resolves to a denied address', ['--deny', '127.0.0.0/8', '--deny', '::1'], 'localhost:80', 403],
    ['a NAT64 address of a denied address', ['--deny', '10.9.0.0/24'], '[64:ff9b::10.9.0.77]:80', 403],
    ['a 6to4 address of a denied address', ['--deny', '10.9.0.0/24'], '[2002:a09:4d::]:80', 403],
    ['an IPv4-compatible address of a denied address', ['--deny', '10.9.0.0/24'], '[::a09:4d]:80', 403],
    ['a name that does not exist', [], 'nowhere.invalid:80', 502],
    ['a port on which nobody listens', [], '127.0.0.1:1', 502],
    ['a destination without a route', [], '192.0.2.1:80', 502],
    ['a destination whose family has no source', [], '[::1]:80', 502],
  ])('CONNECT to %s is refused', async (_what, args, destination, status) => {
    await using proxy = await startProxy('--source', '10.9.0.1', ...args);
    await expect(proxy.tunnel(destination)).rejects.toThrow(`HTTP/1.1 ${status} `);
    expect(await proxy.logged('refused')).toHaveLength(1);
  });

  test('CONNECT to the proxy itself is refused, by address and by name', async () => {
    await using proxy = await startProxy('--source', '127.0.0.1');
    for (const host of ['127.0.0.1', '[::ffff:127.0.0.1]', 'localhost']) {
      await expect(proxy.tunnel(`${host}:${proxy.httpPort}`)).rejects.toThrow('HTTP/1.1 5');
      await expect(proxy.tunnel(`${host}:${proxy.socksPort}`)).rejects.toThrow('HTTP/1.1 5');
    }
  });

  test.each(['0.0.0.0', '0', '0.1.2.3', '[::]', '[::ffff:0.0.0.0]', '[64:ff9b::0.0.0.0]'])(
    'CONNECT to the unspecified address %s, which is this host, is refused',
    async (host) => {
      await using proxy = await startProxy('--source', '127.0.0.1', '--source', '::1');
      for (const port of [proxy.metricsPort, proxy.httpPort]) {
        await expect(proxy.tunnel(`${host}:${port}`)).rejects.toThrow('HTTP/1.1 403 ');
      }
    },
  );

  test.each([
    ['0.0.0.0', [1, 0, 0, 0, 0], 2],
    ['::', [4, ...new Uint8Array(16)], 2],
    ['a name that resolves to 0.0.0.0', name('0'), 2],
    ['127.0.0.1 as a name', name('127.1'), 2],
    ['::1 with a zone', name('::1%lo'), 2],
    ['a zone that does not exist', name('fe80::1%nope'), 1],
  ])('SOCKS5 to %s is refused', async (_what, destination, answer) => {
    await using proxy = await startProxy('--source', '127.0.0.1', '--deny', '127.0.0.0/8', '--deny', '::1');
    expect(await socks(proxy, '127.0.0.1', destination, proxy.metricsPort)).toBe(answer);
    expect(await proxy.logged('refused')).toHaveLength(1); // and the proxy still runs
  });

  test('SOCKS5 to the proxy itself is refused, by its address with a zone', async () => {
    await using proxy = await startProxy('--source', '::1', '--socks', '[::1]:0');
    expect(await socks(proxy, '::1', name('::1%lo'), proxy.socksPort)).toBe(2);
    expect(await proxy.logged('refused')).toMatchObject([{ why: 'loop' }]);
  });

  test.each(['', 'x', 'x:', ':80', 'x:0', 'x:65536', 'a b:80', 'x/y:80', 'u@x:80', '[::1:80'])(
    'CONNECT with the malformed target %j is answered with 400',
    async (target) => {
      await using proxy = await startProxy('--source', '127.0.0.1');
      await expect(proxy.tunnel(target)).rejects.toThrow(/^HTTP\/1.1 400 /);
    },
  );

  test('a method other than CONNECT is answered with 405', async () => {
    await using proxy = await startProxy('--source', '127.0.0.1');
    const response = await fetch(`http://127.0.0.1:${proxy.httpPort}/`);
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'CONNECT']);
  });

  test.each([
    ['another version', [4, 1], []],
    ['no acceptable method', [5, 1, 2], [5, 0xff]],
    ['BIND', [5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80], [5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0]],
    ['an unknown address type', [5, 1, 0, 5, 1, 0, 9], [5, 0, 5, 8, 0, 1, 0, 0, 0, 0, 0, 0]],
    ['half a request', [5, 1, 0, 5, 1, 0, 1, 127], [5, 0]],
  ])('SOCKS5 with %s is refused', async (_what, sent, expected) => {
    await using proxy = await startProxy('--source', '127.0.0.1');
    const client = connect(proxy.socksPort, '127.0.0.1').on('error', () => undefined);
    client.end(Buffer.from(sent));
    expect([...(await everything(client))]).toEqual(expected);
  });

  test('CONNECT is answered with 503 at --max-connections, until a tunnel ends', async () => {
    await using upstream = await Echo.start();
    await using proxy = await startProxy('--source', '10.9.0.1', '--max-connections', '2');
    const held = [await proxy.tunnel(upstream.address), await proxy.tunnel(upstream.address)];
    await expect(proxy.tunnel(upstream.address)).rejects.toThrow('HTTP/1.1 503 ');
    held[0]?.end();
    await proxy.logged('ended');
    held.push(await proxy.tunnel(upstream.address));
    for (const client of held) client.destroy();
  });

  test('CONNECT is answered with 503 when all ports of all sources are taken, until one is free', async () => {
    await using upstream = await Echo.start();
    setSysctl('net.ipv4.tcp_tw_reuse', '1');
    await using proxy = await startProxy(...['--source', '10.9.0.1', '--source', '10.9.0.2', '--ports', '40200-40204']);
    const held: Socket[] = [];
    for (let i = 0; i < 10; i++) held.push(await proxy.tunnel(upstream.address));
    await expect(proxy.tunnel(upstream.address)).rejects.toThrow('HTTP/1.1 503 ');
    held[0]?.resetAndDestroy(); // leaves no TIME-WAIT
    await proxy.logged('ended');
    held.push(await proxy.tunnel(upstream.address));
    for (const client of held) client.destroy();
  });
});

describe('a tunnel of egress-proxy', () => {
  let upstream: Echo;

  beforeEach(async () => {
    upstream = await Echo.start();
  });
  afterEach(async () => {
    await upstream[Symbol.asyncDispose]();
  });

  test('a tunnel passes every byte and the end, in both directions', async () => {
    await using proxy = await startProxy('--source', '10.9.0.1');
    const client = await proxy.tunnel(upstream.address);
    const data = randomBytes(3_000_000);
    client.end(data);
    expect((await everything(client)).equals(data)).toBe(true);
    expect(await proxy.logged('ended')).toMatchObject([{ sent: data.length, received: data.length }]);
  });

  test('data that arrives with the CONNECT request is sent', async () => {
    await using proxy = await startProxy('--source', '10.9.0.1');
    const client = connect(proxy.httpPort, '127.0.0.1');
    client.end(`CONNECT ${upstream.address} HTTP/1.1\r\nhost: x\r\n\r\nearly`);
    expect((await everything(client)).toString()).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\nearly$/);
  });

  test.each(['upstream', 'client', 'route'] as const)(
    'when the %s fails each tunnel ends with an error, and no descriptor is left',
    async (victim) => {
      await using proxy = await startProxy('--source', '10.9.0.0/24', '--idle-timeout', '1');
      const before = await proxy.fds();
      const clients = await Promise.all(Array.from({ length: 20 }, () => proxy.tunnel(upstream.address)));
      for (const client of clients) {
        client.write('x');
        await once(client, 'readable');
      }
      expect(await proxy.fds()).toBe(before + 40);
      const closed = clients.map((client) => new Promise((resolve) => client.once('close', resolve)));
      if (victim === 'upstream') upstream.kill();
      else if (victim === 'client') for (const client of clients) client.resetAndDestroy();
      else {
        // Answers of the upstream have no route any more: the idle timeout ends the tunnels.
        await exec('ip', ['route', 'del', 'local', '10.9.0.0/24', 'dev', 'lo']);
        for (const client of clients) client.write('y');
      }
      const ended = await proxy.logged('ended', 20);
      for (const line of ended) expect(line['error']).toEqual(expect.any(String));
      await Promise.all(closed);
      await expect.poll(() => proxy.fds()).toBe(before);
      expect(await proxy.metrics()).toContain('egress_proxy_tunnels_total{protocol="http",result="failed"} 20');
      if (victim === 'route') await exec('ip', ['route', 'add', 'local', '10.9.0.0/24', 'dev', 'lo']);
    },
  );

  test('after SIGTERM open tunnels may end, and no new one is accepted', async () => {
    await using proxy = await startProxy('--source', '10.9.0.1', '--grace', '15');
    const client = await proxy.tunnel(upstream.address);
    proxy.kill('SIGTERM');
    await proxy.logged('ending');
    await expect(proxy.tunnel(upstream.address)).rejects.toThrow();
    client.end('goodbye');
    expect((await everything(client)).toString()).toBe('goodbye');
    expect(await proxy.ended).toMatchObject({ code: 0 });
    expect(await proxy.logged('ended')).toMatchObject([{ sent: 7, received: 7 }]);
    expect(await proxy.logged('all ended')).toMatchObject([{ tunnels: 1, failed: 0 }]);
  });

  test('a second signal ends open tunnels', async () => {
    await using proxy = await startProxy('--source', '10.9.0.1', '--grace', '15');
    const client = await proxy.tunnel(upstream.address);
    const closed = new Promise((resolve) => client.once('close', resolve)); // after an error
    proxy.kill('SIGTERM');
    await proxy.logged('ending');
    proxy.kill('SIGTERM');
    await closed;
    expect(await proxy.ended).toMatchObject({ code: 0 });
  });
});

describe('the command line of egress-proxy', () => {
  test.each([
    [[], /--source/],
    [['--source', '127.0.0.1', '--ports', '9'], /40000-44999/],
    [['--source', '127.0.0.1', '--http', '0.0.0.0:3128'], /--allow-remote/],
    [['--source', '127.0.0.1', '--http', 'off', '--socks', 'off'], /nothing to serve/],
    [['--source', '127.0.0.1', '--deny', '10.0.0.0/33'], /prefix/],
    [['--source', '127.0.0.1', '--deny', '10.0.0.0/'], /prefix/],
    [['--source', '127.0.0.1', '--deny', '10.0.0.0/1e1'], /prefix/],
    [['--source', '127.0.0.1', '--deny', '::ffff:10.0.0.0/104'], /IPv4/],
    [['--source', '127.0.0.1', '--limit', '0'], /whole number/],
    [['--source', 'foo'], /not an address/],
    [['--source', '10.9.9.9', '--ports', '1-5'], /ip_local_port_range/],
    [['--source', '10.9.9.9', '--source', '10.9.9.0/24'], /another source/],
    [['--source', '127.0.0.1', '--nope'], /unknown option/],
  ])('egress-proxy %j prints one line and exits with status 2', async (args, message) => {
    const { code, stdout, stderr } = await runNode(MAIN, { args, allowFailure: true });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^.*\n$/);
  });

  test('egress-proxy --help shows how to try it', async () => {
    const { stdout } = await runNode(MAIN, { args: ['--help'] });
    expect(stdout).toContain('curl --proxy');
    expect(stdout).toMatch(/--grace <seconds> .*\(default:\s+10\)/s);
  });
});

/** The response body. Rejects with curl's error message. */
async function curl(proxy: RunningProxy, protocol: 'http' | 'socks', url: string, ...args: string[]): Promise<string> {
  const through =
    protocol === 'http'
      ? ['--proxy', `http://127.0.0.1:${proxy.httpPort}`, '--proxytunnel']
      : ['--proxy', `socks5h://127.0.0.1:${proxy.socksPort}`];
  const { stdout } = await exec('curl', ['--silent', '--show-error', '--max-time', '10', ...through, ...args, url]);
  return stdout;
}

/** A name as encoded in SOCKS5. */
function name(text: string): number[] {
  return [3, text.length, ...Buffer.from(text)];
}

/** The reply code of SOCKS5 for a request to connect to a destination. */
async function socks(proxy: RunningProxy, host: string, destination: number[], port: number): Promise<number> {
  const client = connect(proxy.socksPort, host).on('error', () => undefined);
  client.write(Buffer.from([5, 1, 0, 5, 1, 0, ...destination, port >> 8, port & 255]));
  let answer = Buffer.alloc(0);
  for await (const chunk of client) {
    answer = Buffer.concat([answer, chunk as Buffer]);
    if (answer.length >= 12) break;
  }
  return answer[3] ?? NaN;
}

async function everything(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Sends back what it receives, and ends when its client does. */
class Echo implements AsyncDisposable {
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  static async start(): Promise<Echo> {
    const echo = new Echo();
    echo.#server.listen(0, '127.0.0.1');
    await once(echo.#server, 'listening');
    return echo;
  }

  constructor() {
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      this.#clients.add(client);
      client.on('error', () => undefined).on('close', () => this.#clients.delete(client));
      client.pipe(client);
    });
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  kill(): void {
    for (const client of this.#clients) client.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
