// listen on a host whose kernel has no IPv6: the errno, EAFNOSUPPORT, is simulated; everything else is real.
import { expect, test, vi } from 'vitest';
import type * as Binding from '../../../src/binding.js';
import { expectNoNewFds } from '../../support/fds.js';
import { failure, KINDS, listening } from '../../support/listen.js';

vi.mock('../../../src/binding.js', async (original) => {
  const binding = await original<typeof Binding>();
  const { Handle, ...others } = binding.native();
  class WithoutIPv6 extends Handle {
    override socket(domain: number, type: number, protocol: number): number {
      return domain === AF_INET6 ? EAFNOSUPPORT : super.socket(domain, type, protocol);
    }

    /** The arena of a recipe: two words, the second of which is the step that failed; then the first step, socket(2). */
    override make(arena: Uint8Array): number {
      const words = new Int32Array(arena.buffer, arena.byteOffset, 4);
      if (words[3] !== AF_INET6) return super.make(arena);
      words[1] = 0;
      return EAFNOSUPPORT;
    }
  }
  return { ...binding, native: () => ({ ...others, Handle: WithoutIPv6 }) };
});

const { ask, make } = KINDS['net']!;
const AF_INET6 = 10;
const EAFNOSUPPORT = -97;

test('listen() without a host on a kernel without IPv6 uses 0.0.0.0, as Node does', async () => {
  await expectNoNewFds(async () => {
    await using listener = await listening(make(), {});
    expect(listener.address.address).toBe('0.0.0.0');
    expect(await ask('127.0.0.1', listener.port)).toBe('hello');
  });
});

test.each([{ ipv6Only: true }, { host: '::' }, { host: '::1' }])(
  'listen() with %j on a kernel without IPv6 emits an error',
  async (options) => {
    await expectNoNewFds(async () => {
      expect(await failure(make(), options)).toMatchObject({ code: 'EAFNOSUPPORT', syscall: 'socket' });
    });
  },
);
