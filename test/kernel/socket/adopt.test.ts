// NativeSocket: detach and adopt. The state of an adopted socket is read from the kernel.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { native } from '../../../src/binding.js';
import { NativeSocket, setOption, type NativeSocketState } from '../../../src/index.js';
import { nodeEnvironment } from '../../support/child.js';
import { listFds } from '../../support/fds.js';
import { testWith } from '../../support/kernel.js';
import { accepted, boundUdp, errorOf, listening, tcp, tcpPair, udp } from '../../support/sockets.js';

let open: Disposable[] = [];
beforeEach(() => (open = []));
afterEach(() => {
  for (const resource of open.reverse()) resource[Symbol.dispose]();
});

/** A socket in each state. */
const states: Record<string, [NativeSocketState, () => NativeSocket | Promise<NativeSocket>]> = {
  'a new TCP socket': ['open', tcp],
  'a new UDP socket': ['open', () => udp('ipv6')],
  'a bound TCP socket': [
    'bound',
    () => {
      const socket = tcp();
      socket.bind('127.0.0.1:0');
      return socket;
    },
  ],
  'a bound UDP socket': ['bound', boundUdp],
  'a listener': ['listening', () => listening('ipv6')],
  'a connecting socket': [
    'connecting',
    async () => {
      const full = keep(tcp());
      full.bind('127.0.0.1:0');
      full.listen(0);
      const filler = keep(tcp());
      filler.connect(full.local);
      await filler.connected();
      const socket = tcp();
      expect(socket.connect(full.local)).toBe(false);
      return socket;
    },
  ],
  'a connected TCP socket': [
    'connected',
    async () => {
      const listener = keep(listening());
      const socket = tcp();
      socket.connect(listener.local);
      await socket.connected();
      return socket;
    },
  ],
  'an accepted socket': [
    'connected',
    async () => {
      const listener = keep(listening());
      keep(tcp()).connect(listener.local);
      return accepted(listener);
    },
  ],
  'a connected UDP socket': [
    'connected',
    () => {
      const socket = udp();
      socket.connect(keep(boundUdp()).local);
      return socket;
    },
  ],
  // As NativeSocketState has it: "or its handshake waits for the first data (TCP_FASTOPEN_CONNECT)".
  'a socket whose connect is deferred': [
    'connected',
    () => {
      const socket = tcp('ipv4', { TCP_FASTOPEN_CONNECT: true, TCP_FASTOPEN_NO_COOKIE: true });
      expect(socket.connect('127.0.0.1:9')).toBe(true);
      return socket;
    },
  ],
};

test.each(Object.entries(states))('%s is unchanged after detach and adopt', async (_, [state, make]) => {
  const socket = await make();
  const { fd, family, type, local, remote } = socket;
  expect(socket.state).toBe(state);
  const link = listFds().get(fd);
  expect(socket.detach()).toBe(fd);
  expect([socket.fd, socket.state]).toEqual([-1, 'detached']);
  socket.close();
  expect(socket.state).toBe('detached');
  expect(listFds().get(fd)).toBe(link); // the caller owns it now, and it is open
  using back = NativeSocket.adopt(fd);
  expect([back.fd, back.family, back.type, back.local, back.remote]).toEqual([fd, family, type, local, remote]);
  expect(back.state).toBe(state);
});

test('an adopted socket with a connect in progress can wait for it', async () => {
  const listener = keep(listening());
  const socket = tcp();
  socket.connect(listener.local);
  const back = keep(NativeSocket.adopt(socket.detach()));
  if (back.state === 'connecting') await back.connected(); // on loopback it may be connected by now
  expect(back.state).toBe('connected');
  expect(back.remote).toEqual(listener.local);
});

test('an adopted listener accepts connections', async () => {
  const back = keep(NativeSocket.adopt(listening().detach()));
  const client = keep(tcp());
  client.connect(back.local);
  expect((await accepted(back)).remote).toEqual(client.local);
});

test('detach rejects pending waits and leaves the descriptor open', async () => {
  const socket = boundUdp();
  const waiting = errorOf(async () => socket.readable());
  const fd = socket.detach();
  expect(await waiting).toMatchObject({ code: 'EBADF' });
  using back = NativeSocket.adopt(fd);
  keep(udp()).sendmsg({ data: Buffer.from('x'), to: back.local });
  await back.readable(); // nothing watches the descriptor any more, so it can be watched again
  expect(back.recvmsg({ buffers: [new Uint8Array(1)] })?.bytes).toBe(1);
});

describe("NativeSocket.adopt of a copy of one of Node's sockets", () => {
  let server: Server;
  let theirs: Socket;
  let ours: Socket;
  beforeEach(async () => {
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    ours = createConnection((server.address() as AddressInfo).port, '127.0.0.1');
    [theirs] = (await once(server, 'connection')) as [Socket];
  });
  afterEach(() => {
    for (const socket of [ours, theirs]) socket.destroy();
    server.close();
  });

  test('the copy of a net.Socket is connected, and outlives the original', async () => {
    using copy = NativeSocket.adopt(duplicate(fdOf(ours)));
    expect(copy.state).toBe('connected');
    expect(copy.local.port).toBe(ours.localPort);
    ours.destroy();
    await once(ours, 'close');
    expect(copy.sendmsg({ data: Buffer.from('still here') })).toBe(10);
    expect(String((await once(theirs, 'data'))[0])).toBe('still here');
  });

  test('the copy of a net.Server is listening', () => {
    using copy = NativeSocket.adopt(duplicate(fdOf(server)));
    expect(copy.state).toBe('listening');
    expect(copy.local.port).toBe((server.address() as AddressInfo).port);
  });

  test('readable() works on the copy, and fails with EEXIST on the descriptor that Node watches', async () => {
    using copy = NativeSocket.adopt(duplicate(fdOf(ours)));
    const same = NativeSocket.adopt(fdOf(ours));
    expect(await errorOf(async () => same.readable())).toMatchObject({ code: 'EEXIST', syscall: 'poll' });
    same.detach();
    theirs.write('x');
    await copy.readable();
  });
});

describe('descriptors that NativeSocket.adopt refuses', () => {
  test('NativeSocket.adopt refuses a file with ENOTSOCK, and leaves it open', async () => {
    const fd = openSync('/dev/null', 'r');
    const flags = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
    expect(await errorOf(() => NativeSocket.adopt(fd))).toMatchObject({ name: 'SyscallError', code: 'ENOTSOCK' });
    expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')).toBe(flags);
    closeSync(fd);
  });

  test('NativeSocket.adopt refuses a Unix socket with ERR_UNSUPPORTED, and leaves it open', async () => {
    // Longer than a sockaddr_in6, as such paths may be.
    const server = createServer().listen(join(tmpdir(), `linux-sockets-adopt-${process.pid}-${'x'.repeat(30)}`));
    await once(server, 'listening');
    const fd = fdOf(server);
    expect(await errorOf(() => NativeSocket.adopt(fd))).toMatchObject({ code: 'ERR_UNSUPPORTED' });
    expect(listFds().get(fd)).toMatch(/^socket:/);
    server.close();
    await once(server, 'close');
  });

  test('NativeSocket.adopt refuses a descriptor that is not open with EBADF', async () => {
    const socket = tcp();
    const { fd } = socket;
    socket.close();
    expect(await errorOf(() => NativeSocket.adopt(fd))).toMatchObject({ code: 'EBADF', errno: -9 });
    expect(await errorOf(() => NativeSocket.adopt(2 ** 31 - 1))).toMatchObject({ code: 'EBADF' });
  });

  test.each<[unknown, string]>([
    [-1, 'ERR_OUT_OF_RANGE'],
    [2 ** 31, 'ERR_OUT_OF_RANGE'],
    [2 ** 32, 'ERR_OUT_OF_RANGE'],
    [1.5, 'ERR_OUT_OF_RANGE'],
    [NaN, 'ERR_OUT_OF_RANGE'],
    ['3', 'ERR_INVALID_ARG_TYPE'],
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
    [3n, 'ERR_INVALID_ARG_TYPE'],
    [{ fd: 3 }, 'ERR_INVALID_ARG_TYPE'],
  ])('NativeSocket.adopt of %o fails with %s', async (fd, code) => {
    expect(await errorOf(() => NativeSocket.adopt(fd as number))).toMatchObject({ code });
  });
});

test('NativeSocket.adopt accepts descriptor 0', async () => {
  using pair = await tcpPair();
  const script = `
    import { existsSync } from 'node:fs';
    import { NativeSocket } from 'linux-sockets';
    const socket = NativeSocket.adopt(0);
    socket.sendmsg({ data: Buffer.from('from 0') });
    console.log(socket.fd, socket.state);
    socket.close();
    console.log(socket.fd, existsSync('/proc/self/fd/0'));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: [pair.client.fd, 'pipe', 'inherit'],
    env: nodeEnvironment(),
  });
  expect(await outputOf(child)).toBe('0 connected\n-1 false\n');
  await pair.server.readable();
  const buffer = Buffer.alloc(16);
  const message = pair.server.recvmsg({ buffers: [buffer] })!;
  expect(buffer.toString('utf8', 0, message.bytes)).toBe('from 0');
});

testWith({ tools: ['python3'] })(
  'NativeSocket.adopt makes a blocking, inheritable descriptor non-blocking and close-on-exec',
  async () => {
    const script = `
    import { readFileSync } from 'node:fs';
    import { NativeSocket } from 'linux-sockets';
    const flags = () => Number.parseInt(/^flags:\\s+(\\d+)/m.exec(readFileSync('/proc/self/fdinfo/50', 'utf8'))[1], 8);
    const show = () => console.log(Boolean(flags() & 0o4000), Boolean(flags() & 0o2000000));
    show();
    const socket = NativeSocket.adopt(50);
    show();
  `;
    const python =
      'import os, socket, sys; s = socket.socket(); os.dup2(s.fileno(), 50); os.execv(sys.argv[1], sys.argv[1:])';
    const child = spawn('python3', ['-c', python, process.execPath, '--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: nodeEnvironment(),
    });
    expect(await outputOf(child)).toBe('false false\ntrue true\n');
  },
);

test('options set before detach are still set after adopt', () => {
  const socket = tcp();
  setOption(socket, { level: 6, name: 18 }, 4321);
  using back = NativeSocket.adopt(socket.detach());
  const value = new Uint8Array(4);
  expect(native().getsockopt(back.fd, 6, 18, value)).toBe(4);
  expect(new DataView(value.buffer).getInt32(0, true)).toBe(4321);
});

function keep(socket: NativeSocket): NativeSocket {
  open.push(socket);
  return socket;
}

function duplicate(fd: number): number {
  const handle = new (native().Handle)();
  expect(handle.duplicate(fd)).toBe(0);
  return handle.detach();
}

function fdOf(owner: Socket | Server): number {
  const { fd } = (owner as unknown as { _handle: { fd: number } })._handle;
  expect(fd).toBeGreaterThan(2);
  return fd;
}

async function outputOf(child: ChildProcess): Promise<string> {
  let output = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (output += text));
  expect((await once(child, 'close'))[0]).toBe(0);
  return output;
}
