// A user's program, compiled by `npm run test:types` with other versions of TypeScript and @types/node.
import { once } from 'node:events';
import { connect, EgressPool, getOption, NativeSocket, reserve, setOption, UdpSocket } from 'linux-sockets';

const udp = UdpSocket.create({ family: 'ipv4', errorQueue: true });
udp.on('message', (data, info) => data.length + info.source.port);
udp.once('batch', (received) => received.length);
// @ts-expect-error UdpSocket has no event 'nothing'.
udp.on('nothing', () => undefined);
// @ts-expect-error A TCP option.
setOption(udp, 'TCP_USER_TIMEOUT', 1);

export const emitter: NodeJS.EventEmitter = udp;
export const arrived: Promise<unknown[]> = once(udp, 'message');
export const ttl: number = getOption(udp, 'IP_TTL');
export const socket = connect({
  host: 'localhost',
  port: 80,
  localAddress: '192.0.2.1',
  localPortRange: [40000, 40999],
});
export const agent = new EgressPool({ sources: ['192.0.2.0/28'] }).httpsAgent({ keepAlive: true });
export const { port } = reserve({ remote: '192.0.2.1:53' }).local;
export const descriptor: number = NativeSocket.create({ family: 'ipv6', type: 'stream' }).detach();

export async function lengths(): Promise<void> {
  for await (const message of udp) message.data.subarray(0, 1);
}
