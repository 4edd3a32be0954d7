// Transmit times: the txTime option, and the report of whether any queueing discipline uses them.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { getOption, UdpSocket, type UdpSocketOptions } from '../../../src/index.js';
import { interfaceIndex } from '../../../src/kernel/interfaces.js';
import { honoursTransmitTime, qdiscs } from '../../../src/kernel/qdiscs.js';
import { boundUdp, errorOf } from '../../support/sockets.js';

const open: UdpSocket[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

function make(txTime: UdpSocketOptions['txTime'], family: 'ipv4' | 'ipv6' = 'ipv4'): UdpSocket {
  const udp = UdpSocket.create({ family, ...(txTime && { txTime }) });
  open.push(udp);
  return udp;
}

describe.each(['ipv4', 'ipv6'] as const)('%s', (family) => {
  test("datagrams with txTime are sent; when no device honours the time, features.txTime and 'degraded' report it", async () => {
    const udp = make(true, family);
    const degraded = once(udp, 'degraded');
    expect(getOption(udp, 'SO_TXTIME')).toEqual({ clock: 'CLOCK_MONOTONIC', deadline: false, reportErrors: false });
    expect(udp.features.txTime).toEqual({ on: false, reason: 'notHonoured', devices: [] });
    expect(await degraded).toEqual(['txTime', udp.features.txTime]);
    using peer = boundUdp(family);
    const txTime = process.hrtime.bigint() + 1_000_000n;
    expect(udp.trySend(Buffer.from('x'), { to: peer.local, txTime })).toBe(1);
    expect(peer.recvmsg({ buffers: [Buffer.alloc(1)] })?.bytes).toBe(1);
  });
});

test('the txTime option sets the clock, deadline and reportErrors of SO_TXTIME', () => {
  const wanted = { clock: 'CLOCK_TAI', deadline: true, reportErrors: true } as const;
  expect(getOption(make(wanted), 'SO_TXTIME')).toEqual(wanted);
});

test('a send with txTime on a socket without the option fails with EINVAL', async () => {
  const udp = make(undefined);
  expect(udp.features.txTime).toEqual({ on: false });
  expect(await errorOf(() => udp.trySend(Buffer.from('x'), { to: '127.0.0.1:9', txTime: 1n }))).toMatchObject({
    code: 'EINVAL',
  });
});

test.each([
  [false, 'ERR_INVALID_ARG_TYPE'],
  [{ clock: 'CLOCK_WALL' }, 'ERR_INVALID_ARG_VALUE'],
  [{ wrong: 1 }, 'ERR_INVALID_ARG_VALUE'],
])('UdpSocket.create refuses txTime: %j', async (txTime, code) => {
  const error = await errorOf(() => UdpSocket.create({ family: 'ipv4', txTime: txTime as never }));
  expect(error.code).toBe(code);
});

describe('queueing disciplines of the interfaces', () => {
  test('qdiscs() reads the queueing disciplines from the kernel', () => {
    const tc = (command: string) => execFileSync('tc', command.split(' '));
    execFileSync('ip', ['link', 'add', 'q0', 'type', 'veth', 'peer', 'name', 'q1']);
    tc('qdisc add dev q0 root tbf rate 1mbit burst 10kb latency 10ms');
    const index = interfaceIndex('q0');
    const kinds = qdiscs()
      .filter((row) => row.interface === index)
      .map(({ kind }) => kind);
    expect(kinds).toEqual(['tbf']);
    execFileSync('ip', ['link', 'del', 'q0']);
  });

  test('fq and etf honour transmit times, also below mq', () => {
    const rows = [
      { interface: 1, kind: 'noqueue' },
      { interface: 2, kind: 'mq' },
      { interface: 2, kind: 'fq' },
      { interface: 2, kind: 'fq' },
      { interface: 3, kind: 'fq_codel' },
      { interface: 4, kind: 'etf' },
    ];
    expect(honoursTransmitTime(rows)).toEqual([2, 4]);
  });
});
