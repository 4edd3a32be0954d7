// Entries of the error queue that are more than an error: transmit times, and the extensions of ICMP messages (RFC 4884).
import { afterEach, describe, expect, test } from 'vitest';
import { NativeSocket, UdpSocket, type NetworkError } from '../../../src/index.js';

const open: UdpSocket[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

function create(options: Parameters<typeof UdpSocket.create>[0]): UdpSocket {
  const socket = UdpSocket.create(options);
  open.push(socket);
  return socket;
}

async function entries(socket: UdpSocket, count: number): Promise<NetworkError[]> {
  const found: NetworkError[] = [];
  for await (const entry of socket.errorQueue) if (found.push(entry) === count) return found;
  throw new Error('the queue ended');
}

describe.each([
  ['ipv4', '127.0.0.1'],
  ['ipv6', '::1'],
] as const)('%s', (family, address) => {
  test(`a report of a transmit time over ${family} has its time and number, and the code 'none'`, async () => {
    const sink = create({ family });
    sink.bind({ address, port: 0 });
    const flags = ['TX_SOFTWARE', 'SOFTWARE', 'OPT_ID', 'OPT_TSONLY'] as const;
    const socket = create({ family, errorQueue: 'require', sockopts: { SO_TIMESTAMPING: { flags } } });
    const before = BigInt(Date.now() - 1) * 1_000_000n;
    for (let i = 0; i < 2; i++) socket.trySend(Buffer.from('x'), { to: sink.local });
    const reports = await entries(socket, 2);
    for (const [i, report] of reports.entries()) {
      expect(report).toMatchObject({
        ...{ code: 'none', errno: 0, origin: 'timestamping', mtu: undefined },
        extended: { code: 'none', errno: 0, info: 0, data: i },
      });
      expect(report.timestamps?.software).toBeGreaterThanOrEqual(before);
      expect(report.timestamps?.software).toBeLessThanOrEqual(BigInt(Date.now() + 1) * 1_000_000n);
    }
  });
});

test.each([
  ['without extensions', undefined, undefined],
  ['with extensions', 0, { offset: 100, valid: true }],
  ['with extensions whose checksum is wrong', 1, { offset: 100, valid: false }],
])('an ICMP error %s is decoded so', async (_, wrongBy, extensions) => {
  const socket = create({ family: 'ipv4', errorQueue: 'require', sockopts: { IP_RECVERR_RFC4884: true } });
  socket.bind({ address: '127.0.0.1', port: 0 });
  using sender = NativeSocket.create({ family: 'ipv4', type: 'raw', protocol: 1 });
  sender.sendmsg({ data: unreachable(socket.local.port, wrongBy), to: { address: '127.0.0.1', port: 0 } });
  const [error] = await entries(socket, 1);
  expect(error).toMatchObject({ code: 'ECONNREFUSED', origin: 'icmp', type: 3, icmpCode: 3, timestamps: undefined });
  expect(error!.extended.extensions).toEqual(extensions);
});

/** Port unreachable for a datagram of 100 bytes, with an empty extension object if `wrongBy` is given. */
function unreachable(port: number, wrongBy: number | undefined): Buffer {
  const quoted = Buffer.alloc(128, 0xaa); // the IP header, the UDP header, 100 bytes
  quoted.fill(0, 0, 28);
  quoted[0] = 0x45;
  quoted.writeUInt16BE(128, 2);
  quoted[9] = 17;
  quoted.set([127, 0, 0, 1, 127, 0, 0, 1], 12);
  quoted.writeUInt16BE(checksum(quoted.subarray(0, 20)), 10);
  quoted.writeUInt16BE(port, 20);
  quoted.writeUInt16BE(9, 22);
  quoted.writeUInt16BE(108, 24);
  const header = Buffer.from([3, 3, 0, 0, 0, 128 / 4, 0, 0]);
  const parts = [header, quoted];
  if (wrongBy !== undefined) {
    const extension = Buffer.from([0x20, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0]);
    extension.writeUInt16BE(checksum(extension) - wrongBy, 2);
    parts.push(extension);
  }
  const message = Buffer.concat(parts);
  message.writeUInt16BE(checksum(message), 2);
  return message;
}

function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
