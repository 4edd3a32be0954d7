// Options, errors, endpoints: what only asks the kernel, or nobody.
import assert from 'node:assert/strict';
import { boundDatagram, closing, SOURCE } from './support.mjs';

/** @type {readonly import('./support.mjs').Row[]} */
export const OPTION_CALLS = [
  { name: 'isSupported', call: ({ isSupported }) => assert.equal(isSupported, true) },
  { name: 'OPTIONS', call: ({ OPTIONS }) => assert.equal(OPTIONS.TCP_USER_TIMEOUT.name, 18) },
  {
    name: 'AbortError',
    call: (library) =>
      closing((onEnd) => {
        const waiting = boundDatagram(library, onEnd).readable({ signal: AbortSignal.abort() });
        return waiting.catch((error) => {
          if (!(error instanceof library.AbortError)) throw error;
        });
      }),
  },
  {
    name: 'SocketError',
    call: (library) =>
      closing((onEnd) => {
        const socket = boundDatagram(library, onEnd);
        assert.throws(() => library.setOption(socket, 'IP_BIND_ADDRESS_NO_PORT', true), library.SocketError);
      }),
  },
  {
    name: 'SyscallError',
    call: (library) =>
      closing((onEnd) => {
        const socket = boundDatagram(library, onEnd);
        assert.throws(() => socket.bind(socket.local), { name: 'SyscallError', code: 'EINVAL', syscall: 'bind' });
        assert.throws(() => socket.bind(socket.local), library.SyscallError);
      }),
  },
  {
    name: 'setOption',
    call: (library) =>
      closing((onEnd) => {
        const socket = boundDatagram(library, onEnd);
        library.setOption(socket, 'IP_TTL', 7);
        assert.equal(library.getOption(socket, 'IP_TTL'), 7);
      }),
  },
  {
    name: 'getOption',
    call: (library) =>
      closing((onEnd) => {
        const socket = boundDatagram(library, onEnd);
        assert.equal(library.getOption(socket.fd, 'SO_PROTOCOL'), 17);
      }),
  },
  { name: 'isLocal', call: ({ isLocal }) => assert.equal(isLocal(SOURCE), true) },
  { name: 'steerByCpu', call: ({ steerByCpu }) => assert.ok(steerByCpu(2).length > 0) },
  { name: 'steerByHash', call: ({ steerByHash }) => assert.ok(steerByHash(2).length > 0) },
  { name: 'steerRandomly', call: ({ steerRandomly }) => assert.ok(steerRandomly(2).length > 0) },
  { name: 'Endpoint.from', call: ({ Endpoint }) => assert.equal(Endpoint.from('[::1]:53').port, 53) },
  { name: 'Endpoint.fromLocal', call: ({ Endpoint }) => assert.equal(Endpoint.fromLocal(SOURCE).port, 0) },
  {
    name: 'Endpoint.decode',
    call: ({ Endpoint }) => assert.equal(Endpoint.decode(Endpoint.from('1.2.3.4:5').sockaddr())?.port, 5),
  },
  { name: 'endpoint.withPort', call: ({ Endpoint }) => assert.equal(Endpoint.from('1.2.3.4:5').withPort(6).port, 6) },
  { name: 'endpoint.sockaddr', call: ({ Endpoint }) => assert.equal(Endpoint.from('1.2.3.4:5').sockaddr().length, 16) },
  { name: 'endpoint.equals', call: ({ Endpoint }) => assert.ok(Endpoint.from('1.2.3.4:5').equals('1.2.3.4:5')) },
  { name: 'endpoint.toString', call: ({ Endpoint }) => assert.equal(`${Endpoint.from('1.2.3.4:5')}`, '1.2.3.4:5') },
];
