// Errors have the same shape as Node's, compared with errors that Node creates in this process.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { getSystemErrorMap, getSystemErrorName, inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { AbortError, check, errnoName, SocketError, SyscallError } from '../../src/errors.js';

type NodesError = NodeJS.ErrnoException & { address: string; port: number };

describe("fields and message of a SyscallError compared with Node's error", () => {
  test("a SyscallError of connect has the fields and message of Node's error", async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodesError];
    expectSame(new SyscallError('connect', error.errno!, { address: error.address, port: error.port }), error);
    expect(error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect' });
  });

  test("a SyscallError of connect from a local address names both addresses, unlike Node's error", async () => {
    const options = { host: '127.0.0.1', port: 9, localAddress: '192.0.2.1', localPort: 7 };
    const [error] = (await once(connect(options), 'error')) as [NodesError];
    // Node fails in bind, and its message is that of bind.
    expect(Object.keys(error).sort()).toEqual(['address', 'code', 'errno', 'port', 'syscall']);
    const own = new SyscallError('connect', -99, {
      address: '127.0.0.1',
      port: 9,
      localAddress: '192.0.2.1',
      localPort: 7,
    });
    expect(own.message).toBe('connect EADDRNOTAVAIL 127.0.0.1:9 - Local (192.0.2.1:7)');
    expect(own).toMatchObject({ localAddress: '192.0.2.1', localPort: 7 });
  });

  test("a SyscallError of listen has the fields and message of Node's error", async () => {
    const first = createServer().listen(0, '127.0.0.1');
    await once(first, 'listening');
    const { port } = first.address() as AddressInfo;
    const [error] = (await once(createServer().listen(port, '127.0.0.1'), 'error')) as [NodesError];
    expectSame(new SyscallError('listen', error.errno!, { address: error.address, port: error.port }), error);
    expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', port });
    first.close();
  });

  test("a SyscallError of listen on an address that is not local has the fields and message of Node's error", async () => {
    const [error] = (await once(createServer().listen(1, '192.0.2.1'), 'error')) as [NodesError];
    expectSame(new SyscallError('listen', error.errno!, { address: error.address, port: error.port }), error);
  });

  test("a SyscallError of bind has the fields of Node's error, and a longer message", async () => {
    const socket = createSocket('udp4');
    socket.bind(9, '192.0.2.1');
    const [error] = (await once(socket, 'error')) as [NodesError];
    socket.close();
    const own = new SyscallError('bind', error.errno!, { address: error.address, port: error.port });
    expect(fieldsOf(own)).toEqual(fieldsOf(error));
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'bind', address: '192.0.2.1', port: 9 });
    expect(own.message).toBe('bind EADDRNOTAVAIL: address not available 192.0.2.1:9');
  });
});

describe('SyscallError', () => {
  test.each([...getSystemErrorMap()])('a SyscallError for errno %i has the code %s', (errno, [code, text]) => {
    const error = new SyscallError('sendmsg', errno);
    expect(error).toMatchObject({
      name: 'SyscallError',
      code,
      errno,
      syscall: 'sendmsg',
      message: `sendmsg ${code}: ${text}`,
    });
    expect(code).toBe(getSystemErrorName(errno));
    expect(errnoName(errno)).toBe(code);
  });

  test('a SyscallError has a code for an errno that Node does not know', () => {
    expect(new SyscallError('connect', -4242)).toMatchObject({
      errno: -4242,
      code: expect.stringContaining('4242') as string,
    });
  });

  test('a SyscallError has only the fields that apply', () => {
    expect(Object.keys(new SyscallError('socket', -24)).sort()).toEqual(['code', 'errno', 'name', 'syscall']);
    const full = new SyscallError('setsockopt', -1, {
      ...{ address: 'a', port: 0, localAddress: 'b', localPort: 0, option: 'SO_MARK', reason: 'portInUse' },
      ...{ remedy: 'Do this', cause: 'cause' },
    });
    expect(Object.fromEntries(Object.entries(full))).toEqual({
      ...{ name: 'SyscallError', code: 'EPERM', errno: -1, syscall: 'setsockopt' },
      ...{ address: 'a', port: 0, localAddress: 'b', localPort: 0, option: 'SO_MARK', reason: 'portInUse' },
    });
    expect(full.cause).toBe('cause');
    expect('cause' in new SyscallError('socket', -24)).toBe(false);
    expect(full.message).toBe('setsockopt EPERM: operation not permitted, SO_MARK a:0 - Local (b:0). Do this');
  });

  test('a SyscallError is an Error with a stack, and util.inspect shows its fields', () => {
    const error = new SyscallError('bind', -98, { address: '::1', port: 80 });
    expect(error).toBeInstanceOf(Error);
    expect(error.stack).toContain('errors.test.ts');
    expect(String(error)).toBe('SyscallError: bind EADDRINUSE: address already in use ::1:80');
    expect(inspect(error)).toContain("code: 'EADDRINUSE'");
    expect(inspect(error)).toContain('port: 80');
  });
});

test('check() returns a result, and throws a SyscallError for a negative one', () => {
  expect(check('bind', 0)).toBe(0);
  expect(check('sendmsg', 2 ** 31)).toBe(2 ** 31);
  expect(() => check('bind', -98, { address: '::1', port: 80 })).toThrow(
    expect.objectContaining({ code: 'EADDRINUSE', syscall: 'bind', address: '::1', port: 80 }),
  );
});

test("an AbortError has the fields of Node's AbortError", async () => {
  const controller = new AbortController();
  const nodes = once(new EventTarget(), 'never', { signal: controller.signal });
  controller.abort('why');
  const theirs = (await nodes.catch((error: unknown) => error)) as Error & { code: string };
  const own = new AbortError(controller.signal);
  expect([own.name, own.code, own.message, own.cause]).toEqual([
    theirs.name,
    theirs.code,
    theirs.message,
    theirs.cause,
  ]);
  expect(own).toBeInstanceOf(Error);
});

test('a SocketError has its code and its cause', () => {
  const cause = new SyscallError('connect', -99);
  const error = new SocketError('ERR_PORT_RANGE_EXHAUSTED', 'All ports are taken', { cause });
  expect(error).toMatchObject({
    name: 'SocketError',
    code: 'ERR_PORT_RANGE_EXHAUSTED',
    message: 'All ports are taken',
  });
  expect(error.cause).toBe(cause);
  expect(error).not.toBeInstanceOf(SyscallError);
});

function expectSame(own: Error, nodes: Error): void {
  expect(fieldsOf(own)).toEqual(fieldsOf(nodes));
  expect(own.message).toBe(nodes.message);
}

/** Everything that a handler can see of the error, except its class. */
function fieldsOf(error: Error): Record<string, unknown> {
  return Object.fromEntries(Object.entries(error).filter(([key]) => key !== 'name'));
}
