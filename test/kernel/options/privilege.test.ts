// Which options need a capability: every sample is set again by a child that has none.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { serialize } from 'node:v8';
import { beforeAll, describe, expect } from 'vitest';
import { OPTIONS, type OptionRow } from '../../../src/index.js';
import { SOCKET_TYPES } from '../../../src/options/row.js';
import { findOption } from '../../../src/options/table.js';
import { nodeEnvironment } from '../../support/child.js';
import { missingNeeds, testWith } from '../../support/kernel.js';
import { SAMPLES } from '../../support/option-samples/samples.js';

const tools = ['setpriv'];
/** Kernels before 6.18 want a capability for the one; some of 2026 want one for the other, on TCP sockets. */
const KERNELS_DIFFER = ['SO_RCVMARK', 'SO_ATTACH_FILTER'];
const samples = SAMPLES as Readonly<Record<string, Sample>>;

interface Sample {
  readonly set?: unknown;
  readonly test?: unknown;
  readonly missing?: () => string | undefined;
}

/** Creating a raw socket already needs CAP_NET_RAW. */
const TYPES = SOCKET_TYPES.filter((type) => type !== 'raw');
const settable = Object.entries<OptionRow>(OPTIONS).filter(
  ([name, { access, since, types = TYPES }]) =>
    access !== 'get' &&
    TYPES.some((type) => types.includes(type)) &&
    (since === undefined || missingNeeds({ kernel: since }) === undefined) &&
    samples[name]?.missing?.() === undefined &&
    !KERNELS_DIFFER.includes(name),
);
const privileged = settable.filter(([, { privilege }]) => privilege !== undefined).map(([name]) => name);

interface Outcome {
  readonly code?: string;
  readonly syscall?: string;
  readonly option?: string;
  readonly message?: string;
  readonly [key: string]: unknown;
}

/** What came of it, by name: {} when it was set. */
let outcomes: Record<string, Outcome> = {};

beforeAll(async () => {
  if (missingNeeds({ tools }) !== undefined) return;
  const values = Object.fromEntries(
    settable.map(([name, { families, types }]) => [
      name,
      {
        family: families?.[0] ?? 'ipv4',
        type: types?.find((type) => type !== 'raw') ?? 'stream',
        value: samples[name]?.set,
      },
    ]),
  );
  outcomes = await withoutCapabilities(`
    const values = deserialize(Buffer.from('${serialize(values).toString('base64')}', 'base64'));
    for (const [name, { family, type, value }] of Object.entries(values)) {
      attempt(name, () => setOption(NativeSocket.create({ family, type }), name, value));
    }
    attempt('off', () => setOption(make(), 'IP_TRANSPARENT', false));
    attempt('SO_PRIORITY 6', () => setOption(make(), 'SO_PRIORITY', 6));
    attempt('SO_PRIORITY 7', () => setOption(make(), 'SO_PRIORITY', 7));
    attempt('another device', () => {
      const socket = make();
      setOption(socket, 'SO_BINDTODEVICE', 'lo');
      setOption(socket, 'SO_BINDTODEVICE', '');
    });
    attempt('freebind', () => {
      const socket = make();
      setOption(socket, 'IP_FREEBIND', true);
      socket.bind('192.0.2.1:0');
    });
    attempt('create', () => NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts: { SO_MARK: 1 } }));
    attempt('filter', () => {
      const socket = NativeSocket.create({ family: 'ipv4', type: 'dgram' });
      setOption(socket, 'SO_ATTACH_FILTER', [{ code: 6, jt: 0, jf: 0, k: 1 }]);
    });
    attempt('raw', () => setOption(make(), { level: 1, name: 36 }, 1));
  `);
});

testWith({ tools })('without capabilities exactly the options with `privilege` are refused', () => {
  const refused = settable.map(([name]) => name).filter((name) => REFUSALS.includes(outcomes[name]?.code ?? ''));
  expect(refused).toEqual(privileged);
  expect(refused.length).toBeGreaterThan(10);
  for (const [name] of settable) {
    // What a new socket does not take it refuses for another reason.
    if (!refused.includes(name) && samples[name]?.test === undefined) {
      expect({ [name]: outcomes[name] }).toEqual({ [name]: {} });
    }
  }
});

describe('the error of a privileged option', () => {
  for (const name of privileged) {
    testWith({ tools })(`${name}: names the missing capability`, () => {
      const code = name === 'SO_DEBUG' ? 'EACCES' : 'EPERM';
      expect(outcomes[name]).toMatchObject({ code, syscall: 'setsockopt', option: name });
      expect(outcomes[name]?.message).toContain(findOption(name)?.privilege);
    });
  }

  testWith({ tools })('is the same with sockopts and by number', () => {
    expect(outcomes['create']).toMatchObject({ code: 'EPERM', option: 'SO_MARK' });
    expect(outcomes['raw']).toMatchObject({ code: 'EPERM', option: '1/36' });
  });
});

testWith({ tools })('the privileges that the doc lines mention are needed', () => {
  expect(outcomes['off']).toEqual({}); // IP_TRANSPARENT may be turned off
  expect(outcomes['SO_PRIORITY 6']).toEqual({});
  expect(outcomes['SO_PRIORITY 7']).toMatchObject({ code: 'EPERM' });
  expect(outcomes['another device']).toMatchObject({ code: 'EPERM', option: 'SO_BINDTODEVICE' });
  expect(outcomes['freebind']).toEqual({});
  expect(outcomes['filter']).toEqual({}); // of a datagram socket
});

const REFUSALS = ['EPERM', 'EACCES'];

/** Runs a script in this namespace with an empty bounding set: root then has no capability after exec, mapped or not. */
async function withoutCapabilities(body: string): Promise<Record<string, Outcome>> {
  const script = `
    import { readFileSync } from 'node:fs';
    import { deserialize } from 'node:v8';
    import { NativeSocket, setOption } from 'linux-sockets';
    if (!/^CapEff:\\s*0+$/m.test(readFileSync('/proc/self/status', 'utf8'))) throw new Error('there are capabilities left');
    const outcomes = {};
    const make = () => NativeSocket.create({ family: 'ipv4', type: 'stream' });
    const attempt = (name, action) => {
      try { action(); outcomes[name] = {}; } catch (error) { outcomes[name] = { ...error, message: error.message }; }
    };
    ${body}
    console.log(JSON.stringify(outcomes));
  `;
  const { stdout } = await promisify(execFile)(
    'setpriv',
    ['--bounding-set=-all', '--inh-caps=-all', process.execPath, '--input-type=module', '--eval', script],
    { env: nodeEnvironment() },
  );
  return JSON.parse(stdout) as Record<string, Outcome>;
}
