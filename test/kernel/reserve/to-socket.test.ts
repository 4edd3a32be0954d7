// toSocket(): a net.Socket whose SYN carries its first write, used by Node's streams, TLS and HTTP.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer, request, type IncomingMessage } from 'node:http';
import { Socket, type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { connect as tlsConnect, createServer as createTlsServer } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { getOption, reserve } from '../../../src/index.js';
import { Capture } from '../../support/capture.js';
import { testWith } from '../../support/kernel.js';
import {
  BOTH,
  checkDescriptors,
  echo,
  refusing,
  serve,
  type Addresses,
  type AnyError,
} from '../../support/fixtures.js';

checkDescriptors();

describe.each(BOTH)('toSocket() over $family', (addresses) => {
  test('toSocket() returns a stream that counts as connected, without a `connect` event', async () => {
    await using server = await serve(addresses.loopback, echo);
    const reservation = reserve({ remote: server, local: { address: addresses.loopback } });
    const { port } = reservation.local;
    const socket = reservation.toSocket();
    const events: string[] = [];
    for (const name of ['connect', 'ready', 'error'] as const) socket.on(name, () => events.push(name));
    expect(socket).toBeInstanceOf(Socket);
    expect(socket).toMatchObject({
      connecting: false,
      readyState: 'open',
      localAddress: addresses.loopback,
      localPort: port,
      remoteAddress: undefined,
    });
    expect(reservation.state).toBe('activated');
    expect(getOption(socket, 'TCP_INFO')).toMatchObject({ state: 'SYN_SENT', segsOut: 0 });
    socket.write('x');
    await once(socket, 'data');
    expect(socket).toMatchObject({ remoteAddress: addresses.loopback, remotePort: server.port });
    expect(events).toEqual([]);
    await closed(socket);
  });

  test('toSocket() returns a large amount of data in order', async () => {
    await using server = await serve(addresses.loopback, echo);
    const socket = reserve({ remote: server }).toSocket();
    const parts = Array.from({ length: 64 }, (_, i) => Buffer.alloc(65536, String(i)));
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    await pipeline(Readable.from(parts), socket);
    await once(socket, 'close');
    expect(Buffer.concat(received).equals(Buffer.concat(parts))).toBe(true);
  });

  test('toSocket() ignores empty writes of every kind before the first data, and sends nothing for them', async () => {
    await using server = await serve(addresses.loopback, echo);
    const socket = reserve({ remote: server }).toSocket();
    using capture = Capture.start();
    await written(socket, '');
    await written(socket, Buffer.alloc(0));
    await written(socket, new Uint8Array(0));
    await written(socket, 'zz', 'hex'); // not hexadecimal: no bytes
    socket.cork();
    const corked = [written(socket, ''), written(socket, Buffer.alloc(0)), written(socket, '', 'latin1')];
    socket.uncork();
    await Promise.all(corked);
    expect(await capture.frames()).toEqual([]);
    expect(socket.destroyed).toBe(false);
    expect(await answers(socket, () => void socket.write('hello'), 5)).toBe('hello');
    await closed(socket);
  });

  test('toSocket() sends corked writes with empty ones among them whole and in order', async () => {
    await using server = await serve(addresses.loopback, echo);
    const socket = reserve({ remote: server }).toSocket();
    const answer = await answers(
      socket,
      () => {
        socket.cork();
        for (const part of ['', 'a', Buffer.alloc(0), Buffer.from('b'), '', 'ç', '']) socket.write(part);
        socket.write('64', 'hex');
        socket.uncork();
      },
      5,
    );
    expect(answer).toBe('abçd');
    await closed(socket);
  });

  test('toSocket() sends a single corked write among empty ones', async () => {
    await using server = await serve(addresses.loopback, echo);
    const socket = reserve({ remote: server }).toSocket();
    const answer = await answers(
      socket,
      () => {
        socket.cork();
        for (const part of ['', 'only', '']) socket.write(part);
        socket.uncork();
      },
      4,
    );
    expect(answer).toBe('only');
    await closed(socket);
  });

  test('toSocket() ignores empty writes between and after data', async () => {
    await using server = await serve(addresses.loopback, echo);
    const socket = reserve({ remote: server }).toSocket();
    const answer = await answers(
      socket,
      () => {
        for (const part of ['', 'a', '', 'b', '']) socket.write(part);
      },
      2,
    );
    expect(answer).toBe('ab');
    await written(socket, '');
    expect(await answers(socket, () => void socket.write('c'), 1)).toBe('c');
    await closed(socket);
  });

  test('end(data) of a toSocket() stream sends the data and the end', async () => {
    let received = '';
    await using server = await serve(addresses.loopback, (socket) => {
      socket.setEncoding('utf8').on('data', (text: string) => (received += text));
      socket.on('end', () => socket.end(`got ${received}`));
    });
    const socket = reserve({ remote: server }).toSocket();
    expect(await answers(socket, () => void socket.end('all of it'), 13)).toBe('got all of it');
    await closed(socket);
  });

  test('end() of a toSocket() stream without data sends nothing, fails with ECONNRESET, and frees the port', async () => {
    using peer = refusing(addresses);
    const reservation = reserve({ remote: peer.local, local: { address: addresses.loopback } });
    const { local, remote } = reservation;
    using capture = Capture.start();
    const socket = reservation.toSocket();
    const failure = once(socket, 'error') as Promise<[AnyError]>;
    const close = new Promise((resolve) => socket.on('close', resolve));
    socket.end();
    const [error] = await failure;
    expect(error).toMatchObject({ code: 'ECONNRESET', syscall: 'read' });
    await close;
    expect(await capture.frames()).toEqual([]);
    using again = reserve({ remote, local });
    expect(again.local.port).toBe(local.port);
  });

  test('toSocket() reports a refusal as ECONNREFUSED of read or write, and frees the port', async () => {
    using peer = refusing(addresses);
    const reservation = reserve({ remote: peer.local, local: { address: addresses.loopback } });
    const { local, remote } = reservation;
    const socket = reservation.toSocket();
    socket.write('hello');
    const [error] = (await once(socket, 'error')) as [AnyError];
    expect(error).toMatchObject({ code: 'ECONNREFUSED', errno: -111 });
    expect(['read', 'write']).toContain(error.syscall);
    if (!socket.closed) await once(socket, 'close');
    using again = reserve({ remote, local });
    expect(again.local.port).toBe(local.port);
  });

  test('destroy() of a toSocket() stream before the first write frees the port', async () => {
    using peer = refusing(addresses);
    const reservation = reserve({ remote: peer.local, shareLocalPort: false, local: { address: addresses.loopback } });
    const { local, remote } = reservation;
    await closed(reservation.toSocket());
    using again = reserve({ remote, local, shareLocalPort: false });
    expect(again.local.port).toBe(local.port);
  });

  test('toSocket() receives nothing from a server that speaks first until something is written', async () => {
    let accepted = 0;
    await using server = await serve(addresses.loopback, (socket) => {
      accepted++;
      socket.write('220 hello');
    });
    const socket = reserve({ remote: server }).toSocket();
    socket.resume();
    socket.setTimeout(50);
    await once(socket, 'timeout');
    expect(accepted).toBe(0);
    expect(await answers(socket, () => void socket.write('EHLO'), 9)).toBe('220 hello');
    await closed(socket);
  });

  test('toSocket() works as createConnection of http.request', async () => {
    await using server = await httpServer(addresses);
    const reservation = reserve({ remote: server });
    const { port } = reservation.local;
    const outgoing = request({ path: '/x', method: 'POST', createConnection: () => reservation.toSocket() });
    outgoing.end('body');
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    expect(await text(incoming)).toBe(`POST /x body from ${port}`);
  });

  test('an activated socket works as createConnection of http.request', async () => {
    await using server = await httpServer(addresses);
    const reservation = reserve({ remote: server });
    const socket = await reservation.activate();
    const outgoing = request({ path: '/y', createConnection: () => socket });
    outgoing.end();
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    expect(await text(incoming)).toBe(`GET /y  from ${reservation.local.port}`);
  });

  testWith({ tools: ['openssl'] })('TLS works over a toSocket() stream', async () => {
    const { key, cert } = selfSigned();
    const server = createTlsServer({ key, cert }, (socket) => {
      socket.on('error', () => undefined);
      socket.write('hello from TLS, ');
      socket.pipe(socket);
    });
    server.listen(0, addresses.loopback);
    await once(server, 'listening');
    const remote = { address: addresses.loopback, port: (server.address() as AddressInfo).port };
    for (const activated of [false, true]) {
      const reservation = reserve({ remote });
      const { port } = reservation.local;
      const socket = activated ? await reservation.activate() : reservation.toSocket();
      const secure = tlsConnect({ socket, ca: cert, servername: 'localhost' });
      secure.write('');
      await once(secure, 'secureConnect');
      expect(secure.authorized).toBe(true);
      expect(secure.localPort).toBe(port);
      expect(await answers(secure, () => void secure.end('over TLS'), 24)).toBe('hello from TLS, over TLS');
      if (!socket.closed) await once(socket, 'close');
    }
    server.close();
    await once(server, 'close');
  });
});

async function written(socket: Socket, data: string | Uint8Array, encoding: BufferEncoding = 'utf8'): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.write(data, encoding, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Reads `length` bytes and returns them as UTF-8. */
async function answers(socket: Socket, send: () => void, length: number): Promise<string> {
  let received = Buffer.alloc(0);
  const complete = new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      if (received.length < length) return;
      socket.off('data', onData).off('error', reject);
      resolve();
    };
    socket.on('data', onData).on('error', reject);
  });
  send();
  await complete;
  return received.toString();
}

async function closed(socket: Socket): Promise<void> {
  socket.destroy();
  if (!socket.closed) await once(socket, 'close');
}

async function text(stream: IncomingMessage): Promise<string> {
  return Buffer.concat(await stream.toArray()).toString();
}

/** Answers with what it received, and from where. */
async function httpServer(addresses: Addresses): Promise<{ address: string; port: number } & AsyncDisposable> {
  const server = createHttpServer((incoming, outgoing) => {
    void text(incoming).then((body) => {
      outgoing.setHeader('connection', 'close');
      outgoing.end(`${incoming.method} ${incoming.url} ${body} from ${incoming.socket.remotePort}`);
    });
  }).listen(0, addresses.loopback);
  await once(server, 'listening');
  return {
    address: addresses.loopback,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function selfSigned(): { key: string; cert: string } {
  const args =
    '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -subj /CN=localhost -keyout - -out -';
  const pem = execFileSync('openssl', ['req', ...args.split(' ')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [key = ''] = /-----BEGIN PRIVATE KEY-----[^]*?-----END PRIVATE KEY-----\n/.exec(pem) ?? [];
  const [cert = ''] = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n/.exec(pem) ?? [];
  return { key, cert };
}
