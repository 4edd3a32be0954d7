// One port: reserved without sending a packet, refused to others, shared with another destination, then used.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { getOption, NativeSocket, reserve } from 'linux-sockets';

/** @param {import('./report.mjs').Report} out */
export async function reserveAndProve(out) {
  const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  const remote = { address: address.address, port: address.port };

  out.title('1. Reserve a local port toward one destination, without a packet');
  const reservation = reserve({ remote, local: { address: '127.0.0.1' } });
  const { state, segsOut } = getOption(reservation, 'TCP_INFO');
  out.line(`   ${reservation.local} -> ${reservation.remote}   ${reservation.state}`);
  out.line(`   The kernel's proof (TCP_INFO of the socket itself): ${state}, ${segsOut} packets sent.`);
  return { reservation, server, local: `${reservation.local}`, remote: `${reservation.remote}`, state, segsOut };
}

/**
 * @param {import('./report.mjs').Report} out
 * @param {import('linux-sockets').PortReservation} reservation
 */
export async function showClash(out, reservation) {
  const { address, port } = reservation.local;
  out.title('2. What the kernel now refuses to other sockets, and what it does not');
  const socket = NativeSocket.create({ family: 'ipv4', type: 'stream' });
  const bindRefused = refused(() => socket.bind({ address, port }));
  socket.close();
  out.line(`   bind to ${reservation.local}: ${bindRefused}`);
  const tupleRefused = refused(() => reserve({ remote: reservation.remote, local: { address, port } }).release());
  out.line(`   the same 4-tuple again: ${tupleRefused}`);
  const shared = reserve({ remote: { address: '127.0.0.1', port: 9 }, local: { address, port } });
  out.line(`   the same port toward ${shared.remote}: ${shared.state}, shared`);
  shared.release();
  return { bindRefused, tupleRefused, sharedWith: `${shared.remote}` };
}

/**
 * @param {import('./report.mjs').Report} out
 * @param {import('linux-sockets').PortReservation} reservation
 * @param {import('node:net').Server} server
 */
export async function useReservation(out, reservation, server) {
  out.title('3. Use it: the handshake, then an ordinary net.Socket');
  const socket = await reservation.activate({ timeout: 5000 });
  socket.write('panda');
  const [echo] = await once(socket, 'data');
  out.line(`   connected from ${socket.localAddress}:${socket.localPort}, sent 'panda', got '${echo}' back`);
  socket.destroy();
  server.close();
  await once(server, 'close');
  return { connectedFrom: `${reservation.local}`, echo: String(echo) };
}

/** @param {() => void} attempt */
function refused(attempt) {
  try {
    attempt();
  } catch (error) {
    const { code, cause } = /** @type {{ code: string, cause?: { code: string } }} */ (error);
    return cause === undefined ? code : `${code} (${cause.code})`;
  }
  throw new Error('The kernel did not refuse it: the reservation has no effect.');
}
