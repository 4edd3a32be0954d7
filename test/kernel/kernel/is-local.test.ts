// isLocal and routeTo: addresses, prefixes and routes come and go, and both follow.
import { describe, expect, test } from 'vitest';
import { Endpoint, isLocal, NativeSocket } from '../../../src/index.js';
import { routeTo } from '../../../src/kernel/routes.js';
import { expectNoNewFds } from '../../support/fds.js';
import { NetworkNamespace } from '../../support/namespace.js';
import { testWith } from '../../support/kernel.js';
import { withoutCapabilities } from '../../support/without-capabilities.js';
import { address, checkDescriptors, ip, route, thrown, until } from '../../support/fixtures.js';

checkDescriptors();

describe('isLocal', () => {
  test.each([
    ['127.0.0.1', true],
    ['127.255.3.4', true],
    ['127.255.255.255', false], // broadcast
    ['192.0.2.1', false],
    ['224.0.0.1', false],
    ['::1', true],
    ['2001:db8::1', false],
    ['fe80::1', false],
    ['ff02::1', false],
    ['::ffff:127.0.0.1', true],
    ['::ffff:192.0.2.1', false],
    ['0.0.0.0', true],
    ['::', true],
  ])('isLocal(%j) is %j', (target, expected) => {
    expect(isLocal(target)).toBe(expected);
  });

  test('isLocal is true for an assigned address until it is removed', async () => {
    for (const own of ['192.0.2.7', '2001:db8::7']) {
      expect(isLocal(own)).toBe(false);
      {
        using _ = address(`${own}/${own.includes(':') ? '128' : '32'}`);
        await until(() => isLocal(own)); // the kernel makes IPv6's route in its own time
      }
      expect(isLocal(own)).toBe(false);
    }
  });

  test('isLocal is true for all addresses of a prefix that is routed locally, and no others', () => {
    using _ = route('local', 'fd00:1009:bacc::/48', 'dev', 'lo');
    using __ = route('local', '198.51.100.0/24', 'dev', 'lo');
    expect(isLocal('fd00:1009:bacc::dead')).toBe(true);
    expect(isLocal('fd00:1009:bacc:ffff:ffff:ffff:ffff:ffff')).toBe(true);
    expect(isLocal('fd00:1009:bacd::')).toBe(false);
    expect(isLocal('198.51.100.200')).toBe(true);
    expect(isLocal('198.51.101.0')).toBe(false);
    // What it is for: a listener with freebind on such an address is reached.
    using listener = NativeSocket.create({ family: 'ipv6', type: 'stream', sockopts: { IPV6_FREEBIND: true } });
    listener.bind({ address: 'fd00:1009:bacc::dead', port: 0 });
    listener.listen();
    using client = NativeSocket.create({ family: 'ipv6', type: 'stream' });
    client.connect(listener.local);
    expect(client.remote).toEqual(listener.local);
  });

  test('isLocal is false for an address routed elsewhere or without a route', () => {
    using _ = address('10.9.0.1/24');
    using __ = route('10.9.1.0/24', 'via', '10.9.0.1', 'dev', 'lo');
    expect(routeTo('10.9.1.1').type).toBe('unicast');
    expect(isLocal('10.9.1.1')).toBe(false);
    for (const kind of ['unreachable', 'blackhole', 'prohibit', 'throw']) {
      for (const prefix of ['203.0.113.0/24', '2001:db8:99::/48']) {
        using ___ = route(kind, prefix, ...(prefix.includes(':') ? ['dev', 'lo'] : []));
        expect(isLocal(prefix.replace(/0?\/\d+/, '5')), `${kind} ${prefix}`).toBe(false);
      }
    }
  });

  test('isLocal is true for a link-local address on its own interface only', async () => {
    await using peer = await NetworkNamespace.create();
    const own = 'fe80::77';
    await peer.link('current', { peerName: 'here0', peerAddresses: ['10.9.2.1/24', `${own}/64`] });
    expect(isLocal(`${own}%here0`)).toBe(true);
    expect(isLocal(`${own}%lo`)).toBe(false);
    expect(isLocal('fe80::78%here0')).toBe(false);
    const index = ip('-o', 'link', 'show', 'here0').split(':')[0]!;
    expect(isLocal(`${own}%${index}`)).toBe(true);
    expect(isLocal('10.9.2.1')).toBe(true);
    expect(isLocal('10.9.2.2')).toBe(false);
    expect(isLocal('10.9.2.255')).toBe(false); // broadcast
  });

  test('isLocal accepts an Endpoint and objects with an address', () => {
    expect(isLocal(Endpoint.from('127.0.0.1:80'))).toBe(true);
    expect(isLocal(Endpoint.from('[::ffff:127.0.0.1]:80'))).toBe(true);
    expect(isLocal(Endpoint.from('[2001:db8::1]:80'))).toBe(false);
    expect(isLocal({ address: '::1' })).toBe(true);
  });

  test.each([
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
    [1, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [{ address: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['', 'ERR_INVALID_ARG_VALUE'],
    ['localhost', 'ERR_INVALID_ARG_VALUE'],
    ['127.0.0.1:80', 'ERR_INVALID_ARG_VALUE'],
    ['127.0.0.1%lo', 'ERR_INVALID_ARG_VALUE'],
    ['10.0.0.0/8', 'ERR_INVALID_ARG_VALUE'],
    ['fe80::1%nowhere', 'ERR_INVALID_ARG_VALUE'],
    ['fe80::1%', 'ERR_INVALID_ARG_VALUE'],
    ['fe80::1%0', 'ERR_OUT_OF_RANGE'],
    ['fe80::1%4294967296', 'ERR_OUT_OF_RANGE'],
  ])('isLocal(%j) throws %s', (value, code) => {
    expect(thrown(() => isLocal(value as string))).toMatchObject({ code });
  });

  test('isLocal is false for an unknown interface number', () => {
    expect(isLocal('fe80::1%99999')).toBe(false);
    expect(routeTo('fe80::1%99999')).toMatchObject({ type: 'none' });
  });

  test('isLocal leaves no descriptor open', async () => {
    await expectNoNewFds(() => {
      for (let i = 0; i < 100; i++) isLocal(i % 2 === 0 ? '127.0.0.1' : '2001:db8::1');
    });
  });

  testWith({ tools: ['setpriv'] })('isLocal needs no privilege', () => {
    const stdout = withoutCapabilities(`
      import { isLocal } from 'linux-sockets';
      console.log(isLocal('127.0.0.1'), isLocal('::1'), isLocal('2001:db8::1'));
    `);
    expect(stdout.trim()).toBe('true true false');
  });
});

describe('routeTo', () => {
  test('routeTo returns the interface and the source address', () => {
    const lo = Number(ip('-o', 'link', 'show', 'lo').split(':')[0]);
    expect(routeTo('127.0.0.5')).toEqual({ type: 'local', interface: lo, source: '127.0.0.1', errno: 0 });
    expect(routeTo('::1')).toEqual({ type: 'local', interface: lo, source: '::1', errno: 0 });
    using _ = address('10.9.3.1/24');
    using __ = route('10.9.4.0/24', 'dev', 'lo', 'src', '10.9.3.1');
    expect(routeTo('10.9.4.4')).toEqual({ type: 'unicast', interface: lo, source: '10.9.3.1', errno: 0 });
  });

  test.each([
    ['unreachable', -113],
    ['prohibit', -13],
    ['blackhole', -22],
  ])('routeTo returns the errno of a route of type %s', (kind, errno) => {
    using _ = route(kind, '203.0.113.0/24');
    using __ = route(kind, '2001:db8:99::/48', 'dev', 'lo');
    expect(routeTo('203.0.113.5')).toMatchObject({ type: 'none', errno });
    expect(routeTo('2001:db8:99::5')).toMatchObject({ type: 'none', errno });
  });

  test('routeTo without a route returns ENETUNREACH', () => {
    expect(routeTo('192.0.2.1')).toMatchObject({ type: 'none', errno: -101, source: undefined });
    expect(routeTo('2001:db8::1')).toMatchObject({ type: 'none', errno: -101 });
  });
});
