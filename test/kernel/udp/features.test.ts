// Requested features of a UdpSocket: reported by `features` and 'degraded', or required.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { getOption, UdpSocket, type Feature, type FeatureName, type UdpSocketOptions } from '../../../src/index.js';
import type { Handle } from '../../../src/binding.js';
import { Features } from '../../../src/udp/features.js';
import { configure } from '../../../src/udp/options.js';
import { nodeEnvironment } from '../../support/child.js';
import { datagramHandle } from '../../support/handles.js';
import { testWith } from '../../support/kernel.js';
import { errorOf } from '../../support/sockets.js';
import { readSysctl } from '../../../src/kernel/sysctl.js';
import { checkDescriptors } from '../../support/fixtures.js';
import { turns } from '../../support/udp-receive.js';

checkDescriptors();

const FLAGS = {
  gro: true,
  pktinfo: true,
  originalDestination: true,
  ecn: true,
  ttl: true,
  timestamps: true,
  dropCounter: true,
  receiveMark: true,
  errorQueue: true,
} as const;

const UDP_GRO = 104;
const SO_RCVMARK = 75;
const IP_RECVTOS = 13;

describe.each(['ipv4', 'ipv6'] as const)('over %s', (family) => {
  test('no feature is on that was not requested, except segmentation offload', async () => {
    await using udp = UdpSocket.create({ family });
    const { gso, ...others } = udp.features;
    expect(gso).toEqual({ on: true });
    expect(Object.keys(others)).toEqual([
      ...Object.keys(FLAGS),
      'pathMtuDiscovery',
      'txTime',
      'recvBufferSize',
      'sendBufferSize',
    ]);
    for (const feature of Object.values(others)) expect(feature).toEqual({ on: false });
  });

  test.each([true, 'require'] as const)('this kernel supports all features: %s', async (wanted) => {
    const flags = Object.fromEntries(Object.keys(FLAGS).map((name) => [name, wanted])) as Partial<UdpSocketOptions>;
    await using udp = UdpSocket.create({
      ...flags,
      ...{ family, pathMtuDiscovery: 'do', recvBufferSize: 20_000, sendBufferSize: 20_000, gso: 'require' },
    });
    const degraded: FeatureName[] = [];
    udp.on('degraded', (name) => degraded.push(name));
    for (const name of [...Object.keys(FLAGS), 'pathMtuDiscovery', 'gso'] as FeatureName[]) {
      expect(udp.features[name], name).toEqual({ on: true });
    }
    expect(udp.features.recvBufferSize).toEqual({ on: true, size: 20_000 });
    expect(udp.features.sendBufferSize).toEqual({ on: true, size: 20_000 });
    await turns(2);
    expect(degraded).toEqual([]);
  });
});

test('an IPv6 socket also enables the options for mapped datagrams', async () => {
  await using udp = UdpSocket.create({ family: 'ipv6', ...FLAGS });
  for (const name of ['IP_RECVTOS', 'IP_RECVTTL', 'IP_RECVORIGDSTADDR', 'IP_RECVERR'] as const) {
    expect(getOption(udp, name), name).toBe(true);
  }
  expect(getOption(udp, 'IP_PKTINFO'), 'IPV6_RECVPKTINFO tells both').toBe(false);
});

test("gso: 'off' and LINUX_SOCKETS_GSO=off do not emit 'degraded'", async () => {
  await using off = UdpSocket.create({ family: 'ipv4', gso: 'off' });
  expect(off.features.gso).toEqual({ on: false });
  process.env['LINUX_SOCKETS_GSO'] = 'off';
  try {
    await using switched = UdpSocket.create({ family: 'ipv4' });
    const degraded: FeatureName[] = [];
    switched.on('degraded', (name) => degraded.push(name));
    expect(switched.features.gso).toEqual({ on: false, reason: 'switchedOff' });
    await using wanted = UdpSocket.create({ family: 'ipv4', gso: 'off' });
    expect(wanted.features.gso).toEqual({ on: false });
    await turns(2);
    expect(degraded).toEqual([]);
    expect(await errorOf(() => UdpSocket.create({ family: 'ipv4', gso: 'require' }))).toMatchObject({
      code: 'ERR_UNSUPPORTED',
    });
  } finally {
    delete process.env['LINUX_SOCKETS_GSO'];
  }
});

describe('features of UdpSocket.create on a kernel without them', () => {
  test.each<[FeatureName, number, number, Feature]>([
    ['gro', UDP_GRO, -92, { on: false, reason: 'unsupported', code: 'ENOPROTOOPT', errno: -92, option: 'UDP_GRO' }],
    [
      'receiveMark',
      SO_RCVMARK,
      -1,
      { on: false, reason: 'notPermitted', code: 'EPERM', errno: -1, option: 'SO_RCVMARK' },
    ],
    [
      'ecn',
      IP_RECVTOS,
      -92,
      { on: false, reason: 'unsupported', code: 'ENOPROTOOPT', errno: -92, option: 'IP_RECVTOS' },
    ],
  ])(
    'the feature %s is off on a kernel without it, with the reason, and the others are on',
    (name, option, errno, expected) => {
      const handle = without(option, errno);
      const features = configure(handle, { family: 'ipv6', ...FLAGS });
      expect(features.found[name]).toEqual(expected);
      expect(features.degraded).toEqual([[name, expected]]);
      expect(Object.values(features.found).filter(({ on }) => on)).toHaveLength(Object.keys(FLAGS).length - 1 + 1);
      handle.close();
    },
  );

  test('create() throws for a required feature that the kernel lacks', async () => {
    const handle = without(UDP_GRO, -92);
    const error = await errorOf(() => configure(handle, { family: 'ipv4', gro: 'require' }));
    expect(error).toMatchObject({ code: 'ENOPROTOOPT', syscall: 'setsockopt', option: 'UDP_GRO' });
    handle.close();
  });

  test('gso is off, with the reason, on a kernel without UDP_SEGMENT', () => {
    const handle = datagramHandle();
    const fake = new Proxy(handle, {
      get: (target, key: keyof Handle) => (key === 'getsockopt' ? () => -92 : target[key].bind(target)),
    });
    const features = new Features(fake);
    features.readSegmentation('auto');
    expect(features.found.gso).toMatchObject({ on: false, reason: 'unsupported', code: 'ENOPROTOOPT' });
    handle.close();
  });
});

describe('buffers', () => {
  const testUnprivileged = testWith({ tools: ['setpriv'] });

  testUnprivileged(
    "buffer sizes beyond the limit are clamped without the capability, and 'degraded' is emitted",
    async () => {
      const [limit, features, degraded] = await unprivileged(`
      const udp = UdpSocket.create({ family: 'ipv4', recvBufferSize: 1 << 28, sendBufferSize: 20_000 });
      const degraded = [];
      udp.on('degraded', (name, feature) => degraded.push([name, feature]));
      await new Promise((resolve) => setImmediate(resolve));
      console.log(JSON.stringify([getOption(udp, 'SO_RCVBUF') / 2, udp.features, degraded]));
      await udp.close();
    `);
      expect(limit).toBe(Number(readSysctl('net.core.rmem_max') ?? limit));
      const expected = { on: false, reason: 'clamped', size: limit };
      expect(features).toMatchObject({ recvBufferSize: expected, sendBufferSize: { on: true, size: 20_000 } });
      expect(degraded).toEqual([['recvBufferSize', expected]]);
    },
  );

  testUnprivileged('mark and transparent without the capability fail with errors that name it', async () => {
    const results = await unprivileged(`
      const codes = [{ mark: 7 }, { transparent: true }].map((options) => {
        try { UdpSocket.create({ family: 'ipv4', ...options }); } catch ({ code, option, message }) { return [code, option, message]; }
      });
      console.log(JSON.stringify(codes));
    `);
    expect(results).toEqual([
      ['EPERM', 'SO_MARK', expect.stringContaining('CAP_NET_ADMIN')],
      ['EPERM', 'IP_TRANSPARENT', expect.stringContaining('CAP_NET_ADMIN')],
    ]);
  });

  test("buffer sizes below the kernel's minimum are raised, without 'degraded'", async () => {
    await using udp = UdpSocket.create({ family: 'ipv4', recvBufferSize: 0 });
    expect(udp.features.recvBufferSize.on).toBe(true);
    expect(udp.features.recvBufferSize.size).toBeGreaterThan(1000);
  });
});

/** A socket on which one option fails. */
function without(option: number, errno: number): Handle {
  const handle = datagram6();
  return new Proxy(handle, {
    get: (target, key: keyof Handle) => {
      const method = target[key].bind(target) as (...args: unknown[]) => unknown;
      if (key !== 'setsockopt') return method;
      return (level: number, name: number, value: unknown) => (name === option ? errno : method(level, name, value));
    },
  });
}

function datagram6(): Handle {
  const handle = datagramHandle();
  handle.close();
  if (handle.socket(10, 2, 0) !== 0) throw new Error('no socket');
  return handle;
}

/** What a script prints in a process without capabilities. */
async function unprivileged(script: string): Promise<unknown[]> {
  const dropped = '-net_admin,-net_raw';
  const source = `import { getOption, UdpSocket } from 'linux-sockets';\n${script}`;
  const node = [process.execPath, '--input-type=module', '--eval', source];
  const { stdout } = await promisify(execFile)(
    'setpriv',
    [`--bounding-set=${dropped}`, `--inh-caps=${dropped}`, '--', ...node],
    { env: nodeEnvironment() },
  );
  return JSON.parse(stdout) as unknown[];
}
