// The native calls for filters: hostile arguments throw TypeErrors, and none of them reaches the kernel.
import { describe, expect, test } from 'vitest';
import { native } from '../../../src/binding.js';
import { boundUdp } from '../../support/sockets.js';

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
/** BPF_RET | BPF_K: accept the whole packet. */
const ACCEPT = Uint8Array.of(6, 0, 0, 0, 0xff, 0xff, 0xff, 0xff);

type Attach = (level: unknown, name: unknown, program: unknown) => number;

describe.each(['a Handle', 'a borrowed descriptor'])('attachFilter on %s', (which) => {
  function attached(action: (attach: Attach, read: () => Uint8Array) => void): void {
    using socket = boundUdp();
    const handle = new (native().Handle)();
    handle.duplicate(socket.fd);
    const attach = (which === 'a Handle'
      ? handle.attachFilter.bind(handle)
      : native().attachFilter.bind(undefined, socket.fd)) as unknown as Attach;
    const read = (): Uint8Array => {
      const value = new Uint8Array(64);
      return value.subarray(0, handle.getsockopt(SOL_SOCKET, SO_ATTACH_FILTER, value));
    };
    try {
      action(attach, read);
    } finally {
      handle.close();
    }
  }

  test('attachFilter takes a program at any alignment', () => {
    attached((attach, read) => {
      for (let offset = 0; offset < 8; offset++) {
        const program = new Uint8Array(16).subarray(offset, offset + 8);
        program.set(ACCEPT);
        expect(attach(SOL_SOCKET, SO_ATTACH_FILTER, program)).toBe(0);
        expect(read()).toEqual(ACCEPT);
      }
    });
  });

  test.each<[string, unknown[]]>([
    ['no arguments', []],
    ['no program', [SOL_SOCKET, SO_ATTACH_FILTER]],
    ['an empty program', [SOL_SOCKET, SO_ATTACH_FILTER, new Uint8Array(0)]],
    ['half an instruction', [SOL_SOCKET, SO_ATTACH_FILTER, new Uint8Array(4)]],
    ['one and a half', [SOL_SOCKET, SO_ATTACH_FILTER, new Uint8Array(12)]],
    ['4097 instructions', [SOL_SOCKET, SO_ATTACH_FILTER, new Uint8Array(8 * 4097)]],
    ['65537 instructions, 1 in 16 bits', [SOL_SOCKET, SO_ATTACH_FILTER, new Uint8Array(8 * 65537)]],
    ['an array', [SOL_SOCKET, SO_ATTACH_FILTER, [...ACCEPT]]],
    ['other typed arrays', [SOL_SOCKET, SO_ATTACH_FILTER, new Uint16Array(4)]],
    ['text', [SOL_SOCKET, SO_ATTACH_FILTER, 'program!']],
    ['a detached buffer', [SOL_SOCKET, SO_ATTACH_FILTER, detached()]],
    ['NaN', [NaN, SO_ATTACH_FILTER, ACCEPT]],
    ['a fraction', [SOL_SOCKET, 26.5, ACCEPT]],
    ['2 ** 32 + 26', [SOL_SOCKET, 2 ** 32 + 26, ACCEPT]],
  ])('attachFilter refuses %s', (_, args) => {
    attached((attach, read) => {
      expect(() => attach(...(args as Parameters<Attach>))).toThrow(TypeError);
      expect(read()).toHaveLength(0);
    });
  });

  test('attachFilter after close returns -EBADF', () => {
    const handle = new (native().Handle)();
    const result =
      which === 'a Handle'
        ? handle.attachFilter(SOL_SOCKET, SO_ATTACH_FILTER, ACCEPT)
        : native().attachFilter(-1, SOL_SOCKET, SO_ATTACH_FILTER, ACCEPT);
    expect(result).toBe(-9);
  });
});

test('getsockopt of an attached filter never writes beyond its buffer', () => {
  using socket = boundUdp();
  const handle = new (native().Handle)();
  handle.duplicate(socket.fd);
  const program = new Uint8Array(8 * 16);
  for (let i = 0; i < 16; i++) program.set(ACCEPT, 8 * i);
  expect(handle.attachFilter(SOL_SOCKET, SO_ATTACH_FILTER, program)).toBe(0);
  for (let length = 0; length <= 8 * 16; length++) {
    const memory = new Uint8Array(8 * 16 + 256).fill(0xaa);
    const result = handle.getsockopt(SOL_SOCKET, SO_ATTACH_FILTER, memory.subarray(0, length));
    // Room for no instruction queries the size; too little room is EINVAL.
    expect(result).toBe(length < 8 || length === 8 * 16 ? 8 * 16 : -22);
    expect(memory.subarray(length).every((byte) => byte === 0xaa)).toBe(true);
  }
  handle.close();
});

function detached(): Uint8Array {
  const program = Uint8Array.from(ACCEPT);
  structuredClone(program.buffer, { transfer: [program.buffer] });
  return program;
}
