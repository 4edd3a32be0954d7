// Netlink with a fake Handle: answers that this kernel cannot be made to give. Real answers are tested in test/kernel.
import { describe, expect, test } from 'vitest';
import type { Handle } from '../../src/binding.js';
import { askKernel, attribute, attributes, type NetlinkAnswer, type NetlinkRequest } from '../../src/kernel/netlink.js';
import { LITTLE_ENDIAN } from '../../src/wire/byte-order.js';
import { thrown } from '../support/fixtures.js';

const DUMP: NetlinkRequest = { protocol: 4, type: 20, dump: true, body: Uint8Array.of(1, 2, 3, 4) };
const ONE: NetlinkRequest = { ...DUMP, dump: false };
const ROW = 20;
const ERROR = 2;
const DONE = 3;
const NOOP = 1;
const MULTI = 2;
const INTERRUPTED = 0x10;
const ENOBUFS = -105;
const EAGAIN = -11;

/** A datagram, or the errno of recvmsg. */
type Step = number | { readonly bytes: Uint8Array; readonly from?: number };

/** Simulates recvmsg, with one list of answers for each socket, and counts open sockets. */
class FakeKernel {
  readonly sent: Uint8Array[] = [];
  open = 0;
  made = 0;
  readonly #sockets: readonly (readonly Step[])[];
  readonly #errors: { readonly socket?: number; readonly sendmsg?: number };

  constructor(
    sockets: readonly (readonly Step[])[],
    errors: { readonly socket?: number; readonly sendmsg?: number } = {},
  ) {
    this.#sockets = sockets;
    this.#errors = errors;
  }

  readonly newHandle = (): Handle => {
    const steps = [...(this.#sockets[this.made++] ?? [])];
    const fake: Partial<Handle> = {
      socket: () => {
        if (this.#errors.socket !== undefined) return this.#errors.socket;
        this.open++;
        return 0;
      },
      sendmsg: (buffers) => {
        this.sent.push(buffers[0]!);
        return this.#errors.sendmsg ?? buffers[0]!.length;
      },
      recvmsg: (buffers, address, _control, flags) => {
        const step = steps[0] ?? EAGAIN;
        if (typeof step === 'number') return step;
        new DataView(address.buffer, address.byteOffset).setUint32(4, step.from ?? 0, LITTLE_ENDIAN);
        if ((flags & MSG_PEEK) !== 0) return step.bytes.length;
        steps.shift();
        const into = buffers[0]!;
        into.set(step.bytes.subarray(0, into.length));
        return Math.min(step.bytes.length, into.length);
      },
      close: () => {
        this.open--;
        return 0;
      },
    };
    return fake as Handle;
  };

  ask(request: NetlinkRequest): NetlinkAnswer<number> {
    try {
      return askKernel(
        request,
        { type: ROW, size: 4, decode: (buffer, start) => buffer.getUint32(start, LITTLE_ENDIAN) },
        this.newHandle,
      );
    } finally {
      expect(this.open).toBe(0);
    }
  }
}

const MSG_PEEK = 2;

function datagram(...messages: readonly Uint8Array[]): { bytes: Uint8Array } {
  return { bytes: Buffer.concat(messages) };
}

function message(type: number, value: number, flags = MULTI, sequence = 1, length = 4): Uint8Array {
  const bytes = new Uint8Array(16 + ((length + 3) & ~3));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 16 + length, LITTLE_ENDIAN);
  view.setUint16(4, type, LITTLE_ENDIAN);
  view.setUint16(6, flags, LITTLE_ENDIAN);
  view.setUint32(8, sequence, LITTLE_ENDIAN);
  if (length >= 4) view.setInt32(16, value, LITTLE_ENDIAN);
  return bytes;
}

test('a request is a header and its body, in one message', () => {
  const kernel = new FakeKernel([[datagram(message(DONE, 0))]]);
  kernel.ask(DUMP);
  const view = new DataView(kernel.sent[0]!.buffer);
  expect(kernel.sent[0]).toHaveLength(20);
  expect(view.getUint32(0, LITTLE_ENDIAN)).toBe(20);
  expect(view.getUint16(4, LITTLE_ENDIAN)).toBe(20);
  expect(view.getUint16(6, LITTLE_ENDIAN)).toBe(0x301); // NLM_F_REQUEST | NLM_F_DUMP
  expect([...kernel.sent[0]!.subarray(16)]).toEqual([1, 2, 3, 4]);
});

describe('a dump', () => {
  test('a dump continues over datagrams until it is done', () => {
    const kernel = new FakeKernel([
      [datagram(message(ROW, 1), message(ROW, 2)), datagram(message(ROW, 3)), datagram(message(DONE, 0))],
    ]);
    expect(kernel.ask(DUMP)).toEqual({ errno: 0, rows: [1, 2, 3], consistent: true });
  });

  test('a dump that ends with an error has this errno and no rows', () => {
    const kernel = new FakeKernel([[datagram(message(ROW, 1)), datagram(message(DONE, -12))]]);
    expect(kernel.ask(DUMP)).toEqual({ errno: -12, rows: [], consistent: true });
  });

  test('a dump accepts messages of any length, including odd ones', () => {
    const kernel = new FakeKernel([
      [datagram(message(ROW, 1, MULTI, 1, 7), message(ROW, 2, MULTI, 1, 100_000), message(DONE, 0))],
    ]);
    expect(kernel.ask(DUMP).rows).toEqual([1, 2]);
  });

  test('a dump ignores other sequence numbers, other senders, and NLMSG_NOOP', () => {
    const kernel = new FakeKernel([
      [
        { ...datagram(message(ROW, 9), message(DONE, 0)), from: 4711 },
        datagram(message(ROW, 8, MULTI, 7), message(NOOP, 7), message(ROW, 1)),
        datagram(message(DONE, 0)),
      ],
    ]);
    expect(kernel.ask(DUMP).rows).toEqual([1]);
  });

  test('an interrupted dump is repeated on a new socket', () => {
    const kernel = new FakeKernel([
      [datagram(message(ROW, 1, MULTI | INTERRUPTED)), datagram(message(DONE, 0))],
      [datagram(message(ROW, 2), message(DONE, 0))],
    ]);
    expect(kernel.ask(DUMP)).toEqual({ errno: 0, rows: [2], consistent: true });
    expect(kernel.made).toBe(2);
  });

  test('a dump that is interrupted repeatedly is returned, and marked as inconsistent', () => {
    const interrupted = [datagram(message(ROW, 1, MULTI | INTERRUPTED), message(DONE, 0))];
    const kernel = new FakeKernel([interrupted, interrupted, interrupted, interrupted]);
    expect(kernel.ask(DUMP)).toEqual({ errno: 0, rows: [1], consistent: false });
    expect(kernel.made).toBe(3);
  });

  test('a dump of which a part was lost is repeated', () => {
    const kernel = new FakeKernel([
      [datagram(message(ROW, 1)), ENOBUFS],
      [datagram(message(ROW, 1), message(ROW, 2), message(DONE, 0))],
    ]);
    expect(kernel.ask(DUMP).rows).toEqual([1, 2]);
  });

  test('a dump of which a part is always lost fails', () => {
    const kernel = new FakeKernel([[ENOBUFS], [ENOBUFS], [ENOBUFS], [ENOBUFS]]);
    expect(thrown(() => kernel.ask(DUMP))).toMatchObject({ code: 'ENOBUFS', syscall: 'recvmsg' });
    expect(kernel.made).toBe(3);
  });

  test('an unfinished dump fails instead of waiting', () => {
    const kernel = new FakeKernel([[datagram(message(ROW, 1))]]);
    expect(thrown(() => kernel.ask(DUMP))).toMatchObject({ code: 'EAGAIN', syscall: 'recvmsg' });
  });

  test.each([0, 3, 15, 17, 0xffffffff])('a dump ends at a header with a length of %i', (length) => {
    const broken = message(ROW, 2);
    new DataView(broken.buffer).setUint32(0, length, LITTLE_ENDIAN);
    const kernel = new FakeKernel([[datagram(message(ROW, 1), broken.subarray(0, 16)), datagram(message(DONE, 0))]]);
    expect(kernel.ask(DUMP).rows).toEqual([1]);
  });
});

describe('one answer', () => {
  test('a single answer is the first message', () => {
    expect(new FakeKernel([[datagram(message(ROW, 5, 0))]]).ask(ONE)).toMatchObject({ errno: 0, rows: [5] });
  });

  test('a single answer may be an errno', () => {
    expect(new FakeKernel([[datagram(message(ERROR, -101, 0))]]).ask(ONE)).toMatchObject({ errno: -101, rows: [] });
  });

  test('a single answer may be an acknowledgement', () => {
    expect(new FakeKernel([[datagram(message(ERROR, 0, 0))]]).ask(ONE)).toMatchObject({ errno: 0, rows: [] });
  });
});

test('netlink throws the error of socket() if AF_NETLINK is forbidden', () => {
  const kernel = new FakeKernel([], { socket: -97 });
  const error = thrown(() => kernel.ask(ONE));
  expect(error).toMatchObject({ code: 'EAFNOSUPPORT', syscall: 'socket' });
  expect(error.message).toContain('AF_NETLINK');
});

test.each([
  [-24, 'EMFILE'],
  [-23, 'ENFILE'],
])(
  'netlink without a descriptor (%i) throws %s and says that none is left, not that AF_NETLINK is forbidden',
  (socket, code) => {
    const error = thrown(() => new FakeKernel([], { socket }).ask(ONE));
    expect(error).toMatchObject({ code, syscall: 'socket', reason: 'descriptorLimit' });
    expect(error.message).not.toContain('AF_NETLINK');
  },
);

test('a message that is shorter than its struct, or of another type, is left out', () => {
  const kernel = new FakeKernel([
    [
      datagram(
        message(ROW, 1),
        message(ROW, 0, MULTI, 1, 3),
        message(ROW, 0, MULTI, 1, 0),
        message(ROW + 1, 5),
        message(DONE, 0),
      ),
    ],
  ]);
  expect(kernel.ask(DUMP)).toEqual({ errno: 0, rows: [1], consistent: true });
});

test('an error message without an errno is EPROTO, not success', () => {
  const kernel = new FakeKernel([[datagram(message(ERROR, 0, 0, 1, 0))]]);
  expect(thrown(() => kernel.ask(ONE))).toMatchObject({ code: 'EPROTO', syscall: 'recvmsg' });
});

test('netlink throws if the request cannot be sent, and closes the socket', () => {
  const kernel = new FakeKernel([[]], { sendmsg: -1 });
  expect(thrown(() => kernel.ask(ONE))).toMatchObject({ code: 'EPERM', syscall: 'sendmsg' });
});

test('attributes are read as written, and end at a truncated one', () => {
  const bytes = Buffer.concat([attribute(1, Uint8Array.of(1, 2, 3)), attribute(0x8002, Uint8Array.of(4))]);
  expect(bytes).toHaveLength(16);
  const read = (length: number): [number, number[]][] =>
    [...attributes(new DataView(bytes.buffer, bytes.byteOffset), 0, length)].map(({ type, at, length: size }) => [
      type,
      [...bytes.subarray(at, at + size)],
    ]);
  expect(read(16)).toEqual([
    [1, [1, 2, 3]],
    [2, [4]],
  ]);
  expect(read(12)).toEqual([[1, [1, 2, 3]]]);
  expect(read(3)).toEqual([]);
  bytes.fill(0, 0, 2); // a length of 0 would loop indefinitely
  expect(read(16)).toEqual([]);
});
