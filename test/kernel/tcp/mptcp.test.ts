// protocol: 'mptcp' in connect() and listen(): Multipath TCP over loopback, its fallback to TCP, the options that it refuses,
// and a kernel that has it turned off.
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  connect,
  getOption,
  listen,
  NativeSocket,
  OPTIONS,
  type OptionName,
  type OptionRow,
  type SocketOptions,
} from '../../../src/index.js';
import { closed, connected, failing } from '../../support/connect.js';
import { checkDescriptors, thrown } from '../../support/fixtures.js';
import { testWith } from '../../support/kernel.js';
import { close, failure, listening } from '../../support/listen.js';
import { SAMPLES } from '../../support/option-samples/samples.js';
import { setSysctl } from '../../support/sysctl.js';

const IPPROTO_MPTCP = 262;
/** MPTCP_INFO of SOL_MPTCP: EOPNOTSUPP on a socket that has fallen back to TCP. */
const MPTCP_INFO = { level: 284, name: 1 } as const;
const HERE = { host: '127.0.0.1', protocol: 'mptcp' } as const;

checkDescriptors();

const kernelHasMptcp = (() => {
  try {
    NativeSocket.create({ family: 'ipv4', type: 'stream', protocol: IPPROTO_MPTCP }).close();
    return true;
  } catch {
    return false;
  }
})();
const withMptcp = kernelHasMptcp ? test : test.skip;

/** A server that keeps its connections, the next of them, and whether a connection speaks MPTCP on the wire. */
async function serving(options: object): Promise<{ port: number; next: () => Promise<Socket> } & AsyncDisposable> {
  const server = net.createServer();
  const sockets: Socket[] = [];
  server.on('connection', (socket) => sockets.push(socket.on('error', () => undefined)));
  const { port } = await listening(server, { host: '127.0.0.1', ...options });
  return {
    port,
    next: async () => sockets.shift() ?? ((await once(server, 'connection')) as [Socket])[0],
    [Symbol.asyncDispose]: () => close(server),
  };
}

function speaksMptcp(socket: Socket): boolean {
  try {
    return getOption(socket, MPTCP_INFO, 64).length > 0;
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toMatch(/^(ENOTSUP|ENOPROTOOPT)$/);
    return false;
  }
}

withMptcp(
  'connect() and listen() with protocol: mptcp speak MPTCP on both sides, from the source and the range',
  async () => {
    await using server = await serving({ protocol: 'mptcp' });
    const range = [45_500, 45_509] as const;
    const client = await connected(
      connect({ ...HERE, port: server.port, localAddress: '127.0.0.7', localPortRange: range }),
    );
    const accepted = await server.next();
    for (const socket of [client, accepted]) {
      expect(getOption(socket, 'SO_PROTOCOL')).toBe(IPPROTO_MPTCP);
      expect(speaksMptcp(socket)).toBe(true);
    }
    expect(client.localAddress).toBe('127.0.0.7');
    expect(client.localPort).toBeGreaterThanOrEqual(range[0]);
    expect(client.localPort).toBeLessThanOrEqual(range[1]);
    client.write('ping');
    expect(String(((await once(accepted, 'data')) as [Buffer])[0])).toBe('ping');
    accepted.write('pong');
    expect(String(((await once(client, 'data')) as [Buffer])[0])).toBe('pong');
    await Promise.all([closed(client), closed(accepted)]);
  },
);

withMptcp('connect() with protocol: mptcp works over IPv6 and to a name', async () => {
  const server = net.createServer((socket) => socket.on('error', () => undefined));
  await using listener = await listening(server, { host: '::1', protocol: 'mptcp' } as never);
  const lookup = (_name: string, _options: unknown, callback: (...args: unknown[]) => void): void =>
    callback(null, [{ address: '::1', family: 6 }]);
  for (const host of ['::1', 'name.example']) {
    const options = { host, port: listener.port, protocol: 'mptcp', lookup: lookup as never } as const;
    const client = await connected(connect({ ...options, autoSelectFamily: true }));
    expect(speaksMptcp(client)).toBe(true);
    await closed(client);
  }
});

withMptcp('connect() with protocol: mptcp to a TCP server falls back to TCP and connects', async () => {
  await using server = await serving({});
  const client = await connected(connect({ ...HERE, port: server.port }));
  const accepted = await server.next();
  expect([speaksMptcp(client), getOption(accepted, 'SO_PROTOCOL')]).toEqual([false, 6]);
  client.write('ping');
  expect(String(((await once(accepted, 'data')) as [Buffer])[0])).toBe('ping');
  await Promise.all([closed(client), closed(accepted)]);
});

withMptcp('listen() with protocol: mptcp serves a TCP client over TCP', async () => {
  await using server = await serving({ protocol: 'mptcp' });
  const client = await connected(net.connect(server.port, '127.0.0.1'));
  const accepted = await server.next();
  expect(getOption(accepted, 'SO_PROTOCOL')).toBe(6);
  await Promise.all([closed(client), closed(accepted)]);
});

withMptcp('connect() and listen() without protocol use TCP', async () => {
  await using server = await serving({});
  for (const more of [{}, { protocol: undefined }]) {
    const client = await connected(connect({ host: '127.0.0.1', port: server.port, ...more }));
    const accepted = await server.next();
    expect([client, accepted].map((socket) => getOption(socket, 'SO_PROTOCOL'))).toEqual([6, 6]);
    await Promise.all([closed(client), closed(accepted)]);
  }
});

describe('sockopts with protocol: mptcp', () => {
  withMptcp.each([
    'TCP_USER_TIMEOUT',
    'TCP_SYNCNT',
    'TCP_LINGER2',
    'TCP_WINDOW_CLAMP',
    'TCP_QUICKACK',
    'TCP_THIN_LINEAR_TIMEOUTS',
  ] as const)('%s, which MPTCP refuses, is refused by connect() and listen() with ERR_INVALID_ARG_VALUE', (name) => {
    const sockopts = { [name]: name === 'TCP_QUICKACK' || name.startsWith('TCP_THIN') ? true : 2 } as SocketOptions;
    for (const make of [
      () => connect({ ...HERE, port: 9, sockopts }),
      () => listen(net.createServer(), { ...HERE, sockopts }),
    ]) {
      const error = thrown(make);
      expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
      expect(error.message).toContain(name);
      expect(error.message).toMatch(/mptcp/i);
    }
  });

  test('every option whose row says that MPTCP refuses or ignores it is refused by connect() and listen()', () => {
    for (const [name, row] of Object.entries<OptionRow>(OPTIONS) as [OptionName, OptionRow][]) {
      const sample = SAMPLES[name];
      if (row.mptcp === undefined || !('set' in sample)) continue;
      const sockopts = { [name]: sample.set } as SocketOptions;
      const code = 'ERR_INVALID_ARG_VALUE';
      expect(
        thrown(() => connect({ ...HERE, port: 9, sockopts }).destroy()),
        name,
      ).toMatchObject({ code });
      expect(
        thrown(() => listen(net.createServer(), { ...HERE, sockopts }).close()),
        name,
      ).toMatchObject({ code });
    }
  });

  withMptcp('an option that MPTCP supports is set by connect()', async () => {
    await using server = await serving({ protocol: 'mptcp' });
    const sockopts = { TCP_KEEPIDLE: 77, SO_RCVBUF: 20_000 };
    const client = await connected(connect({ ...HERE, port: server.port, sockopts }));
    expect([getOption(client, 'TCP_KEEPIDLE'), getOption(client, 'SO_RCVBUF')]).toEqual([77, 40_000]);
    await Promise.all([closed(client), closed(await server.next())]);
  });
});

describe('MPTCP that the kernel does not offer', () => {
  testWith({ kernel: [5, 6] })(
    "net.mptcp.enabled=0: connect() fails with reason 'unsupported' and names the sysctl",
    async () => {
      using _ = setSysctl('net.mptcp.enabled', 0);
      const error = await failing(connect({ ...HERE, port: 9 }));
      expect(error).toMatchObject({ code: 'ENOPROTOOPT', syscall: 'socket', reason: 'unsupported' });
      expect(error.message).toContain('net.mptcp.enabled');
    },
  );

  testWith({ kernel: [5, 6] })(
    "net.mptcp.enabled=0: listen() emits an error with reason 'unsupported' that names the sysctl",
    async () => {
      using _ = setSysctl('net.mptcp.enabled', 0);
      const error = await failure(net.createServer(), HERE);
      expect(error).toMatchObject({ code: 'ENOPROTOOPT', reason: 'unsupported' });
      expect(error.message).toContain('net.mptcp.enabled');
    },
  );
});

test.each([
  ['sctp', 'ERR_INVALID_ARG_VALUE'],
  ['MPTCP', 'ERR_INVALID_ARG_VALUE'],
  [262, 'ERR_INVALID_ARG_TYPE'],
  [null, 'ERR_INVALID_ARG_TYPE'],
])('listen() with protocol %j throws %s', (protocol, code) => {
  expect(thrown(() => listen(net.createServer(), { protocol } as never))).toMatchObject({ code });
});
