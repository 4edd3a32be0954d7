// Which keys connect() refuses: misspelt options of its own, which would otherwise be lost without notice, and options of
// the source where there is no source. Keys of net and foreign keys pass.
import { once } from 'node:events';
import http from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { connect, EgressPool, type ConnectOptions } from '../../../src/index.js';
import { closed, connected, peer } from '../../support/connect.js';
import { checkDescriptors, thrown } from '../../support/fixtures.js';

checkDescriptors();

test.each([
  ['localPortRnge', 'localPortRange', [40_000, 40_999]],
  ['localPortRanges', 'localPortRange', [40_000, 40_999]],
  ['LocalPortRange', 'localPortRange', [40_000, 40_999]],
  ['freebindd', 'freebind', true],
  ['freeBind', 'freebind', true],
  ['transparant', 'transparent', true],
  ['shareLocalPorts', 'shareLocalPort', false],
  ['sockOpts', 'sockopts', {}],
  ['waitForLocalPrt', 'waitForLocalPort', true],
])('connect() refuses the misspelt option %s and names %s', (key, option, value) => {
  const error = thrown(() => connect({ host: '127.0.0.1', port: 9, [key]: value } as ConnectOptions));
  expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
  expect(error.message).toContain(`options.${key}`);
  expect(error.message).toMatch(new RegExp(`\\b${option}\\b`));
});

test('connect() accepts every key of net.connect, and unknown keys that resemble none of its own', async () => {
  await using server = await peer('127.0.0.1');
  const net = {
    ...{ localAddress: '127.0.0.3', localPort: 0, family: 4, hints: 0, noDelay: true, keepAlive: true },
    ...{ keepAliveInitialDelay: 1000, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 250, timeout: 5000 },
    ...{
      allowHalfOpen: false,
      readable: true,
      writable: true,
      highWaterMark: 1024,
      signal: undefined,
      onread: undefined,
    },
    ...{ lookup: undefined, blockList: undefined, typeOfService: 0 },
  };
  const foreign = {
    ...{ servername: 'example.org', agentKey: 1, transport: 'tcp', portRange: [1, 2], binding: true, ports: 5 },
    ...{ sharedPool: true, waitForConnections: true, protocolVersion: 13, localHostname: 'a', socketPath: undefined },
    ...{ marks: 7, devices: ['lo'] }, // too short to be distinguished from other keys
  };
  const socket = await connected(connect({ host: '127.0.0.1', port: server.port, ...net, ...foreign }));
  expect(await server.next()).toMatch(/^127\.0\.0\.3:/);
  await closed(socket);
});

describe('request options that an agent passes on', () => {
  const misspelt = { localPortRnge: [1, 2], transparant: true, sockOpts: {} };

  test('the agent of an EgressPool accepts misspelt options, since request options carry foreign keys', async () => {
    const server = http.createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const agent = new EgressPool({ sources: ['127.0.0.4'] }).httpAgent({});
    const request = http.get({ host: '127.0.0.1', port, agent, ...misspelt });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    await once(response, 'close');
    agent.destroy();
    server.close();
    await once(server, 'close');
  });

  test("connect() as createConnection of http.request accepts Node's request options, the protocol among them", async () => {
    const server = http.createServer((request, response) => response.end(request.socket.remoteAddress));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const createConnection = (options: object) =>
      connect({ ...(options as ConnectOptions), localAddress: '127.0.0.5' });
    const url = new URL(`http://127.0.0.1:${port}/some/path`);
    const request = http.get(url, { createConnection: createConnection, headers: { connection: 'close' } });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    expect(await text(response)).toBe('127.0.0.5');
    server.close();
    await once(server, 'close');
  });
});

describe('connect({ path })', () => {
  test.each([
    { localAddress: '127.0.0.2' },
    { localPort: 40_000 },
    { localPortRange: [40_000, 40_001] },
    { waitForLocalPort: true },
  ])('connect({ path }) refuses %j, since a Unix socket has no local port', (more) => {
    const error = thrown(() => connect({ path: '/run/nobody.sock', ...more } as never));
    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
  });

  test('connect({ path }) connects with options of the source that are undefined', async () => {
    const path = join(tmpdir(), `connect-keys-${process.pid}.sock`);
    const server = createServer((socket) => socket.end()).listen(path);
    await once(server, 'listening');
    const options = { path, localAddress: undefined, localPort: undefined, localPortRange: undefined };
    const socket = await connected(connect(options as never));
    socket.resume();
    await once(socket, 'close');
    server.close();
    await once(server, 'close');
  });
});
