// Which options a Multipath TCP socket takes: the row's `mptcp` against the kernel, and what checkSockopts refuses.
import { describe, expect, test } from 'vitest';
import { NativeSocket, OPTIONS, type Family, type OptionName, type OptionRow } from '../../../src/index.js';
import { socketsOf } from '../../../src/options/row.js';
import { encodeSockopts } from '../../../src/options/sockopts.js';
import { missingNeeds } from '../../support/kernel.js';
import { SAMPLES } from '../../support/option-samples/samples.js';
import { codeOf, get, otherThan, refusal } from '../../support/options.js';

const IPPROTO_MPTCP = 262;
const missing = missingNeeds({ kernel: [6, 18] }) ?? noMptcp();

const rows = (Object.entries<OptionRow>(OPTIONS) as [OptionName, OptionRow][]).flatMap(([name, row]) =>
  socketsOf(row)
    .filter(([, type]) => type === 'stream')
    .map(([family]) => [name, family, row] as const),
);

describe.skipIf(missing !== undefined)(`an MPTCP socket${missing === undefined ? '' : ` (${missing})`}`, () => {
  test.each(rows)('an MPTCP socket sets, refuses or ignores %s over %s as the option row says', (name, family, row) => {
    if (missingHere(name) && row.mptcp === undefined) return; // nor does a TCP socket take it here
    expect(answerOf(name, family, row)).toBe(row.mptcp ?? 'taken');
  });
});

test("encodeSockopts refuses what an MPTCP socket refuses or ignores, with protocol 'mptcp' only", () => {
  for (const [name, , row] of rows) {
    const sample = SAMPLES[name];
    if (!('set' in sample)) continue;
    const sockopts = { [name]: sample.set };
    expect(encodeSockopts(sockopts, undefined, 'tcp'), name).toMatchObject([{ option: name }]);
    const code = codeOf(() => encodeSockopts(sockopts, undefined, 'mptcp'));
    expect(code, name).toBe(row.mptcp === undefined ? undefined : 'ERR_INVALID_ARG_VALUE');
  }
});

test('encodeSockopts names the option and says what to do when an MPTCP socket does not take it', () => {
  expect(() => encodeSockopts({ TCP_USER_TIMEOUT: 3000 }, undefined, 'mptcp')).toThrow(
    /"options\.sockopts\.TCP_USER_TIMEOUT".*an MPTCP socket does not take this option.*protocol: 'tcp'/,
  );
  expect(() => encodeSockopts({ SO_BROADCAST: true }, undefined, 'mptcp')).toThrow(
    /an MPTCP socket ignores this option/,
  );
});

test('rows of options that stream sockets do not support have no `mptcp`', () => {
  for (const [name, row] of Object.entries<OptionRow>(OPTIONS)) {
    if (socketsOf(row).some(([, type]) => type === 'stream')) continue;
    expect(row.mptcp, name).toBeUndefined();
  }
});

function answerOf(name: OptionName, family: Family, row: OptionRow): NonNullable<OptionRow['mptcp']> | 'taken' {
  using socket = NativeSocket.create({ family, type: 'stream', protocol: IPPROTO_MPTCP });
  const sample = SAMPLES[name];
  if (!('set' in sample)) return isRefusal(codeOf(() => get(socket, name))) ? 'refused' : 'taken';
  const initial = row.access === undefined && codeOf(() => get(socket, name)) === undefined ? get(socket, name) : NaN;
  const code = refusal(socket, name, otherThan<unknown>(sample.set, initial));
  if (code !== undefined) return isRefusal(code) ? 'refused' : 'taken';
  if (row.access !== undefined) return 'taken'; // it cannot be read back
  return JSON.stringify(get(socket, name)) === JSON.stringify(initial) ? 'ignored' : 'taken';
}

function isRefusal(code: string | undefined): boolean {
  return code === 'ENOTSUP' || code === 'ENOPROTOOPT';
}

/** Whether this machine lacks what the option needs, with any protocol. */
function missingHere(name: OptionName): boolean {
  const sample = SAMPLES[name];
  if ('initial' in sample) {
    using socket = NativeSocket.create({ family: 'ipv6', type: 'stream' });
    return isRefusal(codeOf(() => get(socket, name)));
  }
  return sample.missing?.() !== undefined;
}

function noMptcp(): string | undefined {
  return codeOf(() => NativeSocket.create({ family: 'ipv4', type: 'stream', protocol: IPPROTO_MPTCP }).close());
}
