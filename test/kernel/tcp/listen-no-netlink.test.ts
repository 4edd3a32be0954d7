// listen where a sandbox forbids AF_NETLINK, which is simulated: it cannot warn, and everything else works.
import { expect, test, vi } from 'vitest';
import { SyscallError } from '../../../src/index.js';
import { KINDS, listening, warningsOf } from '../../support/listen.js';

vi.mock('../../../src/kernel/routes.js', () => ({
  isLocal: () => {
    throw new SyscallError('socket', -97);
  },
}));

test('listen() with freebind on a kernel without netlink listens without a warning', async () => {
  const warnings = await warningsOf(async () => {
    await using listener = await listening(KINDS['net']!.make(), { host: '198.51.100.7', freebind: true });
    expect(listener.address.address).toBe('198.51.100.7');
  });
  expect(warnings).toEqual([]);
});
