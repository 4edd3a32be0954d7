// Routes, queueing disciplines and sockets from netlink replies that are short, lost or interrupted: this kernel cannot be
// made to send them, so the socket's calls are played.
import { afterEach, expect, test, vi } from 'vitest';
import { native } from '../../src/binding.js';
import { qdiscs } from '../../src/kernel/qdiscs.js';
import { routeTo } from '../../src/kernel/routes.js';
import { visitSockets } from '../../src/kernel/sock-diag.js';
import { LITTLE_ENDIAN } from '../../src/wire/byte-order.js';
import { thrown } from '../support/fixtures.js';

const EAGAIN = -11;
const ENOBUFS = -105;
const MSG_PEEK = 2;
const MULTI = 2;
const INTERRUPTED = 0x10;
const DONE = 3;
const SOCK_DIAG_BY_FAMILY = 20;
const RTM_NEWROUTE = 24;
const RTM_NEWQDISC = 36;
const RTA_OIF = 4;
const RTA_PREFSRC = 7;

type Step = number | Uint8Array;

/** Every netlink socket reads on in the same list of replies. */
function play(...steps: readonly Step[]): void {
  const left = [...steps];
  vi.spyOn(native(), 'Handle').mockImplementation(function () {
    return {
      socket: () => 0,
      close: () => 0,
      sendmsg: (buffers: readonly Uint8Array[]) => buffers[0]!.length,
      recvmsg: (buffers: readonly Uint8Array[], sender: Uint8Array, _control: Uint8Array, flags: number) => {
        const [step = EAGAIN] = left;
        if (typeof step === 'number' || (flags & MSG_PEEK) === 0) left.shift();
        if (typeof step === 'number') return step;
        sender.fill(0);
        buffers[0]?.set(step);
        return step.length;
      },
    } as never;
  });
}

function message(type: number, flags: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16 + ((payload.length + 3) & ~3));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 16 + payload.length, LITTLE_ENDIAN);
  view.setUint16(4, type, LITTLE_ENDIAN);
  view.setUint16(6, flags, LITTLE_ENDIAN);
  view.setUint32(8, 1, LITTLE_ENDIAN);
  bytes.set(payload, 16);
  return bytes;
}

/** struct inet_diag_msg of an IPv4 socket. */
function socketRow(port: number, flags = MULTI): Uint8Array {
  const payload = new Uint8Array(72);
  payload[0] = 2;
  payload[1] = 1;
  new DataView(payload.buffer).setUint16(4, port);
  return message(SOCK_DIAG_BY_FAMILY, flags, payload);
}

function done(errno = 0): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setInt32(0, errno, LITTLE_ENDIAN);
  return message(DONE, MULTI, payload);
}

function visited(): number[] {
  const ports: number[] = [];
  visitSockets({}, (port) => ports.push(port));
  return ports;
}

afterEach(() => {
  vi.restoreAllMocks();
});

test.each([0, 1, 7, 11])('a route of %i bytes, less than struct rtmsg, is EPROTO', (length) => {
  play(message(RTM_NEWROUTE, 0, new Uint8Array(length)));
  expect(thrown(() => routeTo('127.0.0.1'))).toMatchObject({ code: 'EPROTO', syscall: 'recvmsg' });
});

test.each([
  [RTA_OIF, 0],
  [RTA_OIF, 3],
  [RTA_PREFSRC, 0],
  [RTA_PREFSRC, 3],
])('attribute %i of a route with %i bytes, less than its value, is ignored', (type, length) => {
  const payload = new Uint8Array(16 + length);
  payload[0] = 2;
  payload[7] = 2; // RTN_LOCAL
  new DataView(payload.buffer).setUint16(12, 4 + length, LITTLE_ENDIAN);
  new DataView(payload.buffer).setUint16(14, type, LITTLE_ENDIAN);
  play(message(RTM_NEWROUTE, 0, payload));
  expect(routeTo('127.0.0.1')).toEqual({ type: 'local', interface: 0, source: undefined, errno: 0 });
});

test.each([0, 4, 19])('a queueing discipline of %i bytes, less than struct tcmsg, is left out', (length) => {
  play(message(RTM_NEWQDISC, MULTI, new Uint8Array(length)), done());
  expect(qdiscs()).toEqual([]);
});

test('sockets of a dump that is lost halfway (ENOBUFS) are visited once', () => {
  play(socketRow(1000), socketRow(1001), ENOBUFS, socketRow(1000), socketRow(1001), done(), done());
  expect(visited()).toEqual([1000, 1001]);
});

test('sockets of a dump that was interrupted (NLM_F_DUMP_INTR) are visited once', () => {
  play(socketRow(1000, MULTI | INTERRUPTED), done(), socketRow(1000), socketRow(1001), done(), done());
  expect(visited()).toEqual([1000, 1001]);
});

test('of a dump that ends with an error no socket is visited', () => {
  play(socketRow(1000), done(-12));
  const visit = vi.fn();
  expect(thrown(() => visitSockets({}, visit))).toMatchObject({ code: 'ENOMEM' });
  expect(visit).not.toHaveBeenCalled();
});
