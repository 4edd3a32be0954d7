// Ten local ports and three destinations: connections to different destinations share a port. Runs in its own namespace,
// whose sysctl leaves only ten ports.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as nodeConnect, createServer } from 'node:net';
import { connect } from 'linux-sockets';

const PORTS = 10;
const SOURCE = '127.0.0.9';
const DESTINATIONS = ['127.0.1.1', '127.0.1.2', '127.0.1.3'];
const PORT = 7000;

/** @param {import('./report.mjs').Report} out */
export async function sharePorts(out) {
  writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', `30000 ${30000 + PORTS - 1}`);
  out.title(`4. Connect from ${SOURCE}: ${PORTS} local ports, ${DESTINATIONS.length} destinations`);
  const server = createServer((socket) => socket.resume().on('error', () => undefined)).listen(PORT);
  await once(server, 'listening');
  const ours = await hold(connect);
  const nodes = await hold(nodeConnect);
  server.close();
  out.line(`   connect() of linux-sockets:    ${ours.held} of ${ours.wanted} held, ${ours.ports} different ports`);
  out.line(`   net.connect({ localAddress }): ${nodes.held} of ${nodes.wanted} held, the others ${nodes.refused}`);
  return { connections: { ours, nodes } };
}

/** Opens as many connections to each destination as there are ports. @param {(options: import('node:net').TcpNetConnectOpts) => import('node:net').Socket} connector */
async function hold(connector) {
  const attempts = [];
  for (let i = 0; i < PORTS; i++) {
    for (const host of DESTINATIONS) {
      attempts.push(opened(connector({ host, port: PORT, localAddress: SOURCE })));
    }
  }
  const ended = await Promise.all(attempts);
  const sockets = ended.filter((end) => typeof end !== 'string');
  const refused = [...new Set(ended.filter((end) => typeof end === 'string'))].join(', ');
  const ports = new Set(sockets.map(({ localPort }) => localPort)).size;
  // A reset leaves no TIME-WAIT, which would keep the ports.
  await Promise.all(sockets.map((socket) => once(socket.resetAndDestroy(), 'close')));
  return { wanted: attempts.length, held: sockets.length, ports, refused };
}

/** The socket, or the code of its error. @param {import('node:net').Socket} socket */
function opened(socket) {
  return new Promise((/** @type {(end: import('node:net').Socket | string) => void} */ resolve) => {
    socket.once('connect', () => resolve(socket));
    socket.once('error', (/** @type {NodeJS.ErrnoException} */ error) => resolve(error.code ?? error.message));
  });
}
