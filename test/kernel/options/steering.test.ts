// Reuseport steering: n sockets of one group, and which of them gets what. Filters: which packets a socket gets at all.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import {
  getOption,
  NativeSocket,
  setOption,
  steerByCpu,
  steerByHash,
  steerRandomly,
  type BpfInstruction,
  type Endpoint,
  type Family,
} from '../../../src/index.js';
import { testWith } from '../../support/kernel.js';
import { codeOf } from '../../support/options.js';
import { accepted, LOOPBACK, tcp, udp } from '../../support/sockets.js';

const made: NativeSocket[] = [];
afterEach(() => {
  for (const socket of made.splice(0)) socket.close();
});

describe.each(['ipv4', 'ipv6'] as const)('UDP over %s', (family) => {
  for (const count of [2, 3]) {
    testWith({ tools: ['taskset'] })(`steerByCpu sends what CPU c received to socket c modulo ${count}`, () => {
      const sockets = group(family, 'dgram', count);
      setOption(sockets[0]!, 'SO_ATTACH_REUSEPORT_CBPF', steerByCpu(count));
      const before = allowedCpus();
      try {
        for (const cpu of [...expand(before), ...expand(before)]) {
          runOn(String(cpu)); // over loopback the CPU that sends is the one that receives
          for (let i = 0; i < 5; i++) {
            send(family, sockets[0]!.local);
            expect(receivers(sockets)).toEqual([cpu % count]);
          }
        }
      } finally {
        runOn(before);
      }
    });
  }

  test('steerRandomly distributes one flow to all sockets', () => {
    const sockets = group(family, 'dgram', 4);
    setOption(sockets[2]!, 'SO_ATTACH_REUSEPORT_CBPF', steerRandomly(4));
    using client = udp(family);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 200; i++) {
      client.sendmsg({ data: Buffer.from('x'), to: sockets[0]!.local });
      for (const index of receivers(sockets)) counts[index]!++;
    }
    expect(counts.reduce((sum, count) => sum + count)).toBe(200);
    for (const count of counts) expect(count).toBeGreaterThan(10); // 50 are to be expected; fewer than 10, one in 10^13
  });

  test('steerByHash keeps a flow on one socket and distributes flows to all sockets', () => {
    const sockets = group(family, 'dgram', 3);
    setOption(sockets[0]!, 'SO_ATTACH_REUSEPORT_CBPF', steerByHash(3));
    const seen = new Set<number>();
    for (let flow = 0; flow < 40; flow++) {
      using client = udp(family);
      client.connect(sockets[0]!.local); // a connected socket's packets have a hash, also over loopback
      const indexes = new Set<number>();
      for (let i = 0; i < 5; i++) {
        client.sendmsg({ data: Buffer.from('x') });
        for (const index of receivers(sockets)) indexes.add(index);
      }
      expect(indexes.size).toBe(1);
      for (const index of indexes) seen.add(index);
    }
    expect(seen.size).toBe(3);
  });

  test('a reuseport program selects a socket by index until it is detached', () => {
    const sockets = group(family, 'dgram', 3);
    for (const index of [2, 0, 1]) {
      setOption(sockets[0]!, 'SO_ATTACH_REUSEPORT_CBPF', [ret(index)]);
      send(family, sockets[0]!.local);
      expect(receivers(sockets)).toEqual([index]);
    }
    setOption(sockets[1]!, 'SO_DETACH_REUSEPORT_BPF', true);
    const seen = new Set<number>();
    for (let i = 0; i < 40; i++) {
      send(family, sockets[0]!.local);
      for (const index of receivers(sockets)) seen.add(index);
    }
    expect(seen.size).toBe(3); // the kernel's own hash
  });
});

test('steerByHash sends a packet without a hash to the first socket', () => {
  const sockets = group('ipv4', 'dgram', 3);
  setOption(sockets[0]!, 'SO_ATTACH_REUSEPORT_CBPF', steerByHash(3));
  for (let i = 0; i < 20; i++) {
    send('ipv4', sockets[0]!.local); // unconnected, and over loopback
    expect(receivers(sockets)).toEqual([0]);
  }
});

test('a reuseport program selects TCP listeners as well', async () => {
  const listeners = group('ipv4', 'stream', 3);
  for (const index of [2, 0, 1]) {
    setOption(listeners[0]!, 'SO_ATTACH_REUSEPORT_CBPF', [ret(index)]);
    using client = tcp();
    client.connect(listeners[0]!.local);
    await client.connected();
    using server = await accepted(listeners[index]!);
    expect(server.remote).toEqual(client.local);
  }
});

describe('SO_ATTACH_FILTER', () => {
  test('SO_ATTACH_FILTER truncates a packet to the length that the program returns, and drops it for 0', () => {
    const [receiver] = group('ipv4', 'dgram', 1);
    const length = (): number | undefined => {
      using client = udp();
      client.sendmsg({ data: Buffer.alloc(100), to: receiver!.local });
      return receiver!.recvmsg({ buffers: [Buffer.alloc(200)] })?.bytes;
    };
    expect(length()).toBe(100);
    setOption(receiver!, 'SO_ATTACH_FILTER', [ret(8 + 10)]); // the UDP header counts
    expect(length()).toBe(10);
    setOption(receiver!, 'SO_ATTACH_FILTER', [ret(0)]);
    expect(length()).toBeUndefined();
    setOption(receiver!, 'SO_DETACH_FILTER', true);
    expect(length()).toBe(100);
  });

  test('SO_ATTACH_FILTER takes up to 4096 instructions and reads them back', () => {
    using socket = udp();
    const program = Array.from({ length: 4096 }, (_, i) => (i < 4095 ? load(i) : ret(0xffff_ffff)));
    setOption(socket, 'SO_ATTACH_FILTER', program.slice(-200));
    expect(getOption(socket, 'SO_ATTACH_FILTER')).toEqual(program.slice(-200));
    // Memory for options is short: net.core.optmem_max decides.
    expect(['ENOMEM', undefined]).toContain(codeOf(() => setOption(socket, 'SO_ATTACH_FILTER', program)));
  });

  test('getOption by number reads the program in bytes, at most as many as fit', () => {
    using socket = udp();
    const program = Array.from({ length: 64 }, (_, i) => (i < 63 ? load(i) : ret(1)));
    setOption(socket, 'SO_ATTACH_FILTER', program);
    const raw = { level: 1, name: 26 };
    expect(getOption(socket, raw, 64 * 8)).toHaveLength(64 * 8);
    // The kernel counts instructions: taken for bytes, 64 would have it write 512.
    expect(codeOf(() => getOption(socket, raw, 64))).toBe('EINVAL');
    expect(getOption(socket, raw, 4)).toEqual(new Uint8Array(4));
  });

  test('a program that the kernel rejects fails with EINVAL', () => {
    using socket = udp();
    expect(codeOf(() => setOption(socket, 'SO_ATTACH_FILTER', [load(0)]))).toBe('EINVAL'); // it never returns
    expect(codeOf(() => setOption(socket, 'SO_ATTACH_FILTER', [{ code: 0xffff, jt: 0, jf: 0, k: 0 }]))).toBe('EINVAL');
  });
});

/** Sockets that share an address, in the order of their index. */
function group(family: Family, type: 'stream' | 'dgram', count: number): readonly NativeSocket[] {
  const sockets: NativeSocket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = NativeSocket.create({ family, type, sockopts: { SO_REUSEPORT: true } });
    made.push(socket);
    socket.bind(sockets[0]?.local ?? { address: LOOPBACK[family], port: 0 });
    if (type === 'stream') socket.listen();
    sockets.push(socket);
  }
  return sockets;
}

/** One datagram from a new, unconnected socket. */
function send(family: Family, to: Endpoint): void {
  using client = udp(family);
  client.sendmsg({ data: Buffer.from('x'), to });
}

/** Who has got something: over loopback it is there when send returns. */
function receivers(sockets: readonly NativeSocket[]): number[] {
  const indexes: number[] = [];
  sockets.forEach((socket, index) => {
    while (socket.recvmsg({ buffers: [Buffer.alloc(8)] }) !== undefined) indexes.push(index);
  });
  return indexes;
}

/** The CPUs that this thread may run on, as taskset(1) writes them: '0-1', '0,2'. */
function allowedCpus(): string {
  return /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/thread-self/status', 'utf8'))?.[1] ?? '0';
}

function expand(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

function runOn(cpus: string): void {
  execFileSync('taskset', ['--cpu-list', '--pid', cpus, String(process.pid)]);
}

/** BPF_RET | BPF_K */
function ret(k: number): BpfInstruction {
  return { code: 0x06, jt: 0, jf: 0, k };
}

/** BPF_LD | BPF_IMM */
function load(k: number): BpfInstruction {
  return { code: 0x00, jt: 0, jf: 0, k };
}
