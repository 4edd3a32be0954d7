// Which options an accepted socket has from its listener: `inherited` of every row, proven with a connection.
import { describe, expect, test } from 'vitest';
import { NativeSocket, OPTIONS, type Family, type OptionName, type OptionRow } from '../../../src/index.js';
import { missingNeeds } from '../../support/kernel.js';
import { codeOf, create, get, noHostAdmin, otherThan, set } from '../../support/options.js';
import { setSysctl } from '../../support/sysctl.js';
import { accepted } from '../../support/sockets.js';
import { SAMPLES, type Given, type Shown } from '../../support/option-samples/samples.js';

const samples = SAMPLES as Partial<Record<string, Partial<Given<OptionName> & Shown<OptionName>>>>;

// Segment routing headers are dropped otherwise.
for (const device of ['all', 'lo']) setSysctl(`net.ipv6.conf.${device}.seg6_enabled`, 1);

const rows = Object.entries<OptionRow>(OPTIONS).filter(
  ([, { access, types }]) => access === undefined && (types?.includes('stream') ?? true),
);

/** How the value of the accepted socket differs from the one that was set, if the connection affects it. */
const changed: Readonly<Record<string, (value: unknown, set: unknown) => boolean>> = {
  TCP_MAXSEG: (value, set) => (value as number) < (set as number) && (value as number) > (set as number) - 60,
};

test('the option table has inherited and not inherited options', () => {
  expect(rows.filter(([, { inherited }]) => inherited === true).length).toBeGreaterThan(20);
  expect(rows.filter(([, { inherited }]) => inherited === undefined).length).toBeGreaterThan(1);
});

/** A new listener does not take these. */
const unprovable: Readonly<Record<string, string>> = {
  IPV6_ADDRFORM: 'only a connected socket takes it',
  IPV6_MTU: 'what is set is not what is read',
  IPV6_FLOWLABEL_MGR: 'it is read when connected',
  TCP_REPAIR_QUEUE: 'a listener does not take it',
  TCP_QUEUE_SEQ: 'a listener does not take it',
  TCP_REPAIR_WINDOW: 'a listener does not take it',
  TCP_TIMESTAMP: 'a listener does not take it',
};

describe.each(rows)('%s', (name, row) => {
  const sample = samples[name];
  if (sample === undefined || !('set' in sample)) {
    test('the option has a sample value', () => expect.fail(`test/support/option-samples has none for ${name}`));
    return;
  }
  const missing = (row.since && missingNeeds({ kernel: row.since })) ?? sample.missing?.() ?? unprovable[name];
  if (missing !== undefined) {
    test.skip(missing);
    return;
  }
  test.each(row.families ?? (['ipv4', 'ipv6'] as const))(
    row.inherited ? 'an accepted %s socket inherits it from its listener' : 'an accepted %s socket does not inherit it',
    async (family) => {
      const plain = await acceptedWith(family, () => undefined, name);
      const value = otherThan(sample.set, plain);
      const setUp = (listener: NativeSocket): void => {
        // Alone, the kernel counts it without sending it, and the packets are broken.
        if (name === 'IPV6_RTHDRDSTOPTS') set(listener, 'IPV6_RTHDR', samples['IPV6_RTHDR']?.set);
        set(listener, name, value);
      };
      const ours = await acceptedWith(family, setUp, name);
      if (row.inherited === true) {
        const expected = row.readBack === 'doubled' ? 2 * (value as number) : (sample.reads ?? value);
        const otherwise = changed[name];
        if (otherwise === undefined) expect(ours).toEqual(expected);
        else expect(otherwise(ours, expected), `${String(ours)} for ${JSON.stringify(expected)}`).toBe(true);
        expect(ours, 'and without it there is another value').not.toEqual(plain);
      } else {
        expect(ours).not.toEqual(sample.reads ?? value);
      }
    },
  );
});

describe('inherited options that cannot be read', () => {
  test('the inherited options that cannot be read are those that have a test', () => {
    const names = Object.entries<OptionRow>(OPTIONS).filter(
      ([, row]) => row.access === 'set' && row.inherited === true,
    );
    expect(names.map(([name]) => name)).toEqual([
      ...['SO_SNDBUFFORCE', 'SO_RCVBUFFORCE'], // below
      ...['SO_ATTACH_BPF', 'TCP_MD5SIG', 'TCP_MD5SIG_EXT'], // by their samples
    ]);
  });

  test.each([
    ['SO_SNDBUFFORCE', 'SO_SNDBUF'],
    ['SO_RCVBUFFORCE', 'SO_RCVBUF'],
  ])('%s is inherited, as %s of the accepted socket shows', async (force, name) => {
    const refused = codeOf(() => {
      using socket = create('ipv4', 'stream', { [force]: 50_000_000 });
      return socket;
    });
    if (refused !== undefined) expect(noHostAdmin()).toBeDefined();
    else expect(await acceptedWith('ipv4', (listener) => set(listener, force, 50_000_000), name)).toBe(100_000_000);
  });
});

/** The option on a connection that a listener has accepted, which was set up on it before bind. */
async function acceptedWith(family: Family, setUp: (listener: NativeSocket) => void, name: string): Promise<unknown> {
  using listener = NativeSocket.create({ family, type: 'stream' });
  setUp(listener);
  // The wildcard, because binding ::1 alone turns IPV6_V6ONLY on.
  listener.bind({ address: family === 'ipv4' ? '0.0.0.0' : '::', port: 0 });
  listener.listen();
  using client = NativeSocket.create({ family, type: 'stream' });
  client.connect({ address: family === 'ipv4' ? '127.0.0.1' : '::1', port: listener.local.port });
  await client.connected();
  client.sendmsg({ data: Buffer.from('x') }); // what TCP_DEFER_ACCEPT waits for
  using server = await accepted(listener);
  return get(server, name);
}
