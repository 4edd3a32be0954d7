// Which options need a capability: every sample is set again by a child that has none.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, describe, expect } from 'vitest';
import { OPTIONS, type OptionRow } from '../../src/index.js';
import { nodeEnvironment } from '../support/child.js';
import { missingNeeds, testWith } from '../support/kernel.js';
import { SAMPLES } from './options-samples.js';

const tools = ['setpriv'];
const settable = Object.entries<OptionRow>(OPTIONS).filter(
  ([, { access, since }]) => access !== 'get' && (since === undefined || missingNeeds({ kernel: since }) === undefined),
);

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
        type: types?.[0] ?? 'stream',
        value: (SAMPLES as Record<string, { set?: unknown }>)[name]?.set,
      },
    ]),
  );
  outcomes = await withoutCapabilities(`
    for (const [name, { family, type, value }] of Object.entries(${JSON.stringify(values)})) {
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
    attempt('raw', () => setOption(make(), { level: 1, name: 36 }, 1));
  `);
});

testWith({ tools })('without capabilities, exactly the privileged options are EPERM', () => {
  const refused = settable.map(([name]) => name).filter((name) => outcomes[name]?.code === 'EPERM');
  expect(refused).toEqual(settable.filter(([, { privilege }]) => privilege !== undefined).map(([name]) => name));
  expect(refused.length).toBeGreaterThan(0);
  const others = settable.map(([name]) => name).filter((name) => !refused.includes(name));
  for (const name of others) expect({ [name]: outcomes[name] }).toEqual({ [name]: {} });
});

describe('the error of a privileged option', () => {
  for (const [name, { privilege }] of settable.filter(([, row]) => row.privilege !== undefined)) {
    testWith({ tools })(`${name}: says which capability is missing`, () => {
      expect(outcomes[name]).toMatchObject({ code: 'EPERM', errno: -1, syscall: 'setsockopt', option: name });
      expect(outcomes[name]?.message).toContain(privilege!);
    });
  }

  testWith({ tools })('comes from sockopts as well, and from the raw form', () => {
    expect(outcomes['create']).toMatchObject({ code: 'EPERM', option: 'SO_MARK' });
    expect(outcomes['raw']).toMatchObject({ code: 'EPERM', option: '1/36' });
  });
});

testWith({ tools })('what the doc lines say of privileges is so', () => {
  expect(outcomes['off']).toEqual({}); // IP_TRANSPARENT may be turned off
  expect(outcomes['SO_PRIORITY 6']).toEqual({});
  expect(outcomes['SO_PRIORITY 7']).toMatchObject({ code: 'EPERM' });
  expect(outcomes['another device']).toMatchObject({ code: 'EPERM', option: 'SO_BINDTODEVICE' });
  expect(outcomes['freebind']).toEqual({});
});

/** Runs a script in this namespace with an empty bounding set: root then has no capability after exec, mapped or not. */
async function withoutCapabilities(body: string): Promise<Record<string, Outcome>> {
  const script = `
    import { readFileSync } from 'node:fs';
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
