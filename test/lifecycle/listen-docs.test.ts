// The guides on listening and AnyIP: their programs run, their commands succeed, and what they document of AnyIP holds.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { connect, isLocal, NativeSocket } from '../../src/index.js';
import { startNode } from '../support/child.js';
import { testWith } from '../support/kernel.js';
import { errorOf } from '../support/sockets.js';

const guides = ['listen', 'anyip'].map((name) =>
  readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), 'utf8'),
);
const blocks = (language: string) =>
  guides.flatMap((guide) =>
    [...guide.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, code = '']) => code),
  );

test.each(blocks('js').map((code, index) => [index, code]))(
  'example %i of docs/listen.md and docs/anyip.md runs',
  async (_, code) => {
    await using running = startNode(code);
    await running.printed(/listening on|true false/);
  },
);

testWith({ tools: ['nft', 'ip'] })('the commands in docs/listen.md and docs/anyip.md succeed', () => {
  const scripts = blocks('sh');
  expect(scripts.length).toBeGreaterThanOrEqual(4);
  for (const script of scripts) {
    execFileSync('unshare', ['--net', 'sh', '-ec', `ip link set lo up\n${script}`]);
  }
});

testWith({ tools: ['ip'] })('an AnyIP address can be bound and connected from, over IPv6 with freebind', async () => {
  const bind = (address: string, freebind: boolean): NativeSocket => {
    const family = address.includes(':') ? 'ipv6' : 'ipv4';
    const option = family === 'ipv6' ? 'IPV6_FREEBIND' : 'IP_FREEBIND';
    const socket = NativeSocket.create({ family, type: 'stream', sockopts: { [option]: freebind } });
    try {
      socket.bind({ address, port: 0 });
    } catch (error) {
      socket.close();
      throw error;
    }
    return socket;
  };
  execFileSync('ip', ['route', 'add', 'local', '192.0.2.0/24', 'dev', 'lo']);
  execFileSync('ip', ['-6', 'route', 'add', 'local', 'fd00:1009:bacc::/48', 'dev', 'lo']);
  bind('192.0.2.7', false).close();
  expect((await errorOf(() => bind('fd00:1009:bacc::7', false))).code).toBe('EADDRNOTAVAIL');
  using listener = bind('fd00:1009:bacc::7', true);
  listener.listen();
  expect([isLocal('192.0.2.7'), isLocal('fd00:1009:bacc::7')]).toEqual([true, true]);
  const { port } = listener.local;
  const from = (localAddress: string, freebind: boolean) =>
    new Promise<string>((resolve) => {
      const socket = connect({ host: 'fd00:1009:bacc::7', port, localAddress, freebind });
      socket.on('connect', () => resolve(`from ${String(socket.localAddress)}`));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
      socket.on('close', () => undefined);
      socket.once('ready', () => socket.destroy());
    });
  expect(await from('fd00:1009:bacc::9', true)).toBe('from fd00:1009:bacc::9');
  expect(await from('fd00:1009:bacc::9', false)).toBe('EADDRNOTAVAIL');
});
