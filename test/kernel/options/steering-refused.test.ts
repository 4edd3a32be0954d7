// A steering program that the kernel refuses: nothing is bound, and the group keeps its packets.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { listen, UdpSocket } from '../../../src/index.js';
import { checkDescriptors, thrown, until } from '../../support/fixtures.js';

/** 0xff is not an instruction of classic BPF. */
const steering = [{ code: 0xff, jt: 0, jf: 0, k: 0 }];
const REFUSED = { code: 'EINVAL', syscall: 'setsockopt', option: 'SO_ATTACH_REUSEPORT_CBPF' };
checkDescriptors();

test('UdpSocket.create with a refused program throws, and a socket of the group goes on receiving everything', async () => {
  await using group = UdpSocket.create({ family: 'ipv4', reusePort: true });
  group.bind('127.0.0.1:0');
  let received = 0;
  group.on('message', () => received++);
  const create = (): UdpSocket => UdpSocket.create({ family: 'ipv4', reusePort: { steering } });
  expect(thrown(create)).toMatchObject(REFUSED);
  for (let i = 0; i < 40; i++) {
    await using sender = UdpSocket.create({ family: 'ipv4' });
    sender.trySend(Buffer.from('x'), { to: group.local });
  }
  await until(() => received === 40);
});

test("listen() with a refused program emits 'error', and a server of the group goes on accepting everything", async () => {
  let accepted = 0;
  const group = createServer((socket) => {
    accepted++;
    socket.destroy();
  });
  await once(listen(group, { host: '127.0.0.1', port: 0, reusePort: true }), 'listening');
  const { port } = group.address() as AddressInfo;
  const server = createServer();
  const [error] = (await once(listen(server, { host: '127.0.0.1', port, reusePort: { steering } }), 'error')) as [
    Error,
  ];
  expect(error).toMatchObject(REFUSED);
  expect(server.listening).toBe(false);
  for (let i = 0; i < 40; i++) await once(connect(port, '127.0.0.1').resume(), 'close');
  expect(accepted).toBe(40);
  await new Promise((resolve) => group.close(resolve));
});
