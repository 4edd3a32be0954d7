// Hostile peers: garbage, empty datagrams, floods, ICMP errors of every kind with absurd MTUs. A process that handles none
// of it, and one whose callbacks throw, keep running, and every socket still works.
import { expect, test } from 'vitest';
import { Endpoint, NativeSocket, UdpSocket, type Family } from '../../src/index.js';
import { startNode } from '../support/child.js';
import { LOOPBACK } from '../support/sockets.js';

/** One socket for each way to receive and for each trouble; prints their ports, and at its end what they have met. */
const VICTIM = `
  import { once } from 'node:events';
  import { createInterface } from 'node:readline';
  import { UdpSocket } from 'linux-sockets';
  const [family, mood] = process.argv.slice(-2);
  const address = family === 'ipv4' ? '127.0.0.1' : '::1';
  const everything = {
    pktinfo: true, originalDestination: true, ecn: true, ttl: true, timestamps: true, dropCounter: true, receiveMark: true,
  };
  const wanted = {
    batch: { gro: true, ...everything, errorQueue: true },
    message: { gro: true, ...everything },
    iterator: { gro: true, errorQueue: true },
    receiveBatch: { ...everything },
    'little room': { ...everything, maxDatagram: 10, controlLength: 24, slots: 3 },
    'merged, little room': { gro: true, ...everything, controlLength: 216, slots: 2 },
    debug: { gro: true, debug: true, ...everything },
  };
  const counts = { thrown: 0, rejected: 0, pongs: {} };
  const boom = new Error('from a callback');
  const upset = mood === 'throwing';
  if (upset) {
    process.on('uncaughtException', (error) => {
      if (error !== boom) { console.error('uncaught', error); process.exit(9); }
      counts.thrown++;
    });
  }
  // Nobody listens to 'unhandledRejection', nor in the other mood to 'uncaughtException': either would end the process.
  const throwSometimes = () => { if (upset && Math.random() < 0.5) throw boom; };
  const answer = (name, udp, data, source) => {
    if (data.length === 4 && String(Buffer.from(data)) === 'ping') {
      counts.pongs[name] = true;
      void udp.send(Buffer.from('pong'), { to: source });
    }
  };
  const look = (name, udp, received) => {
    for (let i = 0; i < received.length; i++) {
      for (const accessor of ['source', 'sourceKey', 'destination', 'local', 'interface', 'ecn', 'tos', 'ttl', 'segmentSize',
        'timestamp', 'drops', 'mark', 'flags', 'truncated', 'controlTruncated']) received[accessor]?.(i);
      answer(name, udp, received.data(i), received.source(i));
    }
  };
  const sockets = {};
  for (const [name, options] of Object.entries(wanted)) {
    for (const connected of [false, true]) {
      const udp = UdpSocket.create({ family, ...options, pathMtuDiscovery: 'want', sockopts: { SO_RCVBUF: 1 << 20 } });
      udp.bind({ address, port: 0 });
      sockets[connected ? name + ', connected' : name] = udp;
    }
  }
  const consume = (name, udp) => {
    if (name.startsWith('message')) udp.on('message', (data, info) => { answer(name, udp, data, info.source); throwSometimes(); });
    else if (name.startsWith('iterator')) (async () => {
      for await (const { data, info } of udp) answer(name, udp, data, info.source);
    })();
    else if (name.startsWith('receiveBatch')) (async () => {
      const batch = udp.createReceiveBatch();
      for (;;) {
        await udp.readable();
        while (udp.receiveBatch(batch) > 0) look(name, udp, batch);
      }
    })();
    else udp.on('batch', (received) => { look(name, udp, received); throwSometimes(); });
    if (upset) udp.on('pendingError', () => { throw boom; });
  };
  console.log(JSON.stringify(Object.fromEntries(Object.entries(sockets).map(([name, { local }]) => [name, local.port]))));
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const peer = { address, port: Number((await lines.next()).value) };
  for (const [name, udp] of Object.entries(sockets)) {
    if (name.endsWith(', connected')) udp.connect(peer);
    consume(name, udp);
  }
  // All of them keep sending to the peer, ignore the results, and some sends are refused.
  const chatter = setInterval(() => {
    for (const [name, udp] of Object.entries(sockets)) {
      void udp.send(Buffer.alloc(3000), { segmentSize: 1000, ...(name.endsWith('connected') ? {} : { to: peer }) });
      void udp.send(Buffer.alloc(1), { to: { address, port: 1 } });
    }
  }, 5);
  console.log('running');
  await lines.next(); // the attack is over
  clearInterval(chatter);
  console.log('calm');
  await lines.next();
  counts.errors = Object.values(sockets).reduce((sum, { stats }) => sum + stats.received.errors + stats.sent.pendingErrors, 0);
  counts.truncated = sockets['little room'].stats.received.truncated;
  counts.controlTruncated = sockets['little room'].stats.received.controlTruncated;
  console.log(JSON.stringify(counts));
  process.exit();
`;

test.each<[Family, string]>([
  ['ipv4', 'calm'],
  ['ipv4', 'throwing'],
  ['ipv6', 'calm'],
  ['ipv6', 'throwing'],
])('sockets of every kind survive a hostile peer: %s, listeners that are %s', async (family, mood) => {
  const address = LOOPBACK[family];
  await using victim = startNode(VICTIM, { args: [family, mood], timeout: 100_000 });
  const [, line = ''] = await victim.printed(/^(\{.*\})$/m);
  const ports = JSON.parse(line) as Record<string, number>;
  await using attacker = UdpSocket.create({ family, sockopts: { SO_RCVBUF: 1 << 20 } });
  attacker.bind({ address, port: 0 });
  victim.child.stdin!.write(`${attacker.local.port}\n`);
  await victim.printed(/^running$/m);

  using icmp = NativeSocket.create({ family, type: 'raw', protocol: family === 'ipv4' ? 1 : 58 });
  const to = Endpoint.from({ address, port: 0 });
  for (let round = 0; round < 12; round++) {
    for (const port of Object.values(ports)) {
      const target = { address, port };
      const send = (data: Uint8Array, segmentSize?: number) => {
        try {
          attacker.trySend(data, { to: target, ...(segmentSize !== undefined && { segmentSize }) });
        } catch (error) {
          // The path MTU is the one that the attacker has set.
          if (!(error instanceof Error && 'code' in error && error.code === 'EMSGSIZE')) throw error;
        }
      };
      send(Buffer.alloc(0));
      for (const length of [1, 8, 9, 10, 11, 1472, 65507]) send(noise(length));
      for (const size of [1, 7, 536, 1200]) send(noise(size * 50 + (round % 2)), size);
      for (const message of errors(family, port, attacker.local.port)) icmp.sendmsg({ data: message, to });
      for (const message of errors(family, port, 1)) icmp.sendmsg({ data: message, to });
    }
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  victim.child.stdin!.write('over\n');
  await victim.printed(/^calm$/m);
  // Each of them still answers; a ping may find the receive buffer full of what came before.
  const silent = new Map(Object.entries(ports));
  attacker.on('message', (data, { port }) => {
    if (String(data) !== 'pong') return;
    for (const [name, own] of silent) if (own === port) silent.delete(name);
  });
  for (let tries = 0; tries < 400 && silent.size > 0; tries++) {
    for (const port of silent.values()) void attacker.send(Buffer.from('ping'), { to: { address, port } });
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  expect([...silent.keys()]).toEqual([]);
  victim.child.stdin!.write('report\n');
  const { stdout, stderr, code } = await victim.result;
  expect([stderr, code]).toEqual(['', 0]);
  const counts = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>;
  expect(counts['errors'], 'errors came').toBeGreaterThan(100);
  expect(counts['truncated']).toBeGreaterThan(10);
  expect(counts['controlTruncated']).toBeGreaterThan(10);
  if (mood === 'throwing') expect(counts['thrown']).toBeGreaterThan(10);
});

/** ICMP errors about a datagram that the victim has sent from `port` to `peerPort`: all types and codes, MTUs, and lengths. */
function errors(family: Family, port: number, peerPort: number): Buffer[] {
  const kinds: [type: number, code: number, word: number][] = [];
  if (family === 'ipv4') {
    for (let code = 0; code <= 16; code++) kinds.push([3, code, 0]);
    for (const mtu of [1, 67, 68, 551, 552, 576, 1279, 1500, 65535]) kinds.push([3, 4, mtu]);
    kinds.push([4, 0, 0], [5, 1, 0x7f000001], [11, 0, 0], [11, 1, 0], [12, 0, 0xff000000], [12, 1, 0], [12, 2, 0]);
  } else {
    for (let code = 0; code <= 8; code++) kinds.push([1, code, 0]);
    for (const mtu of [0, 1, 67, 1279, 1280, 1500, 65535, 0x7fffffff, 0xffffffff]) kinds.push([2, 0, mtu]);
    kinds.push([3, 0, 0], [3, 1, 0], [4, 0, 0xffffffff], [4, 1, 0], [4, 2, 40], [137, 0, 0]);
  }
  const quoted = quote(family, port, peerPort);
  return kinds.flatMap(([type, code, word]) =>
    // Complete, truncated after the ports, truncated in the header, and empty.
    [quoted.length, quoted.length - 12, 12, 0].map((length) => {
      const message = Buffer.concat([Buffer.from([type, code, 0, 0]), Buffer.alloc(4), quoted.subarray(0, length)]);
      message.writeUInt32BE(word, 4);
      // The kernel computes the checksum of ICMPv6.
      if (family === 'ipv4') message.writeUInt16BE(checksum(message), 2);
      return message;
    }),
  );
}

/** The headers that an error quotes, and a little data. */
function quote(family: Family, port: number, peerPort: number): Buffer {
  const udp = Buffer.alloc(16);
  udp.writeUInt16BE(port, 0);
  udp.writeUInt16BE(peerPort, 2);
  udp.writeUInt16BE(16, 4);
  if (family === 'ipv4') {
    const ip = Buffer.from([0x45, 0, 0, 36, 0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    ip.writeUInt16BE(checksum(ip), 10);
    return Buffer.concat([ip, udp]);
  }
  const loopback = [...Array<number>(15).fill(0), 1];
  return Buffer.concat([Buffer.from([0x60, 0, 0, 0, 0, 16, 17, 64, ...loopback, ...loopback]), udp]);
}

function checksum(data: Buffer): number {
  let sum = 0;
  for (let i = 0; i < data.length; i += 2) sum += data.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Bytes that are the same in every run. */
function noise(length: number): Buffer {
  const data = Buffer.alloc(length);
  for (let i = 0, state = length + 1; i < length; i++) data[i] = (state = (state * 1103515245 + 12345) >>> 0) >>> 24;
  return data;
}
