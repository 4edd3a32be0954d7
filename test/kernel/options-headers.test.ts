// The numbers of the table and the layout of TCP_INFO against the kernel's own headers, as gcc reads them (linux-libc-dev).
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { getOption, OPTIONS, type OptionRow } from '../../src/index.js';
import { LEVELS } from '../../src/options/row.js';
import { decodeTcpInfo } from '../../src/options/tcp-info.js';
import { CONTROL_MESSAGES } from '../../src/wire/control-messages.js';
import { kernel, missingNeeds, testWith } from '../support/kernel.js';
import { tcp } from '../support/sockets.js';

const tools = ['gcc'];
const HEADERS = ['asm/socket.h', 'linux/in.h', 'linux/in6.h', 'linux/tcp.h', 'linux/udp.h', 'linux/errqueue.h'];

/** Younger than the headers of Debian 12 (6.1): each with the kernel that has it. The list shrinks as the headers grow. */
const NOT_IN_OLD_HEADERS = ['IP_LOCAL_PORT_RANGE', 'SO_RCVPRIORITY'];

/** Not in any header of the kernel under this name: libc's, or another name of the same message. */
const CONTROL_NAMES: Readonly<Record<string, string>> = {
  IP_RECVFRAGSIZE: 'IP_RECVFRAGSIZE',
  SCM_TIMESTAMP: 'SO_TIMESTAMP_OLD',
  SCM_TIMESTAMPNS: 'SO_TIMESTAMPNS_OLD',
  SCM_TIMESTAMPING: 'SO_TIMESTAMPING_OLD',
  SO_TIMESTAMPING: 'SO_TIMESTAMPING_OLD',
};

const options = Object.entries<OptionRow>(OPTIONS);
const messages = Object.entries<{ level: number; type: number }>(CONTROL_MESSAGES);
let numbers: Record<string, number> = {};

beforeAll(() => {
  if (missingNeeds({ tools }) !== undefined) return;
  const names = [
    ...options.map(([name]) => name),
    ...messages.map(([name]) => CONTROL_NAMES[name] ?? name),
    ...Object.keys(LEVELS),
    ...['SOL_IP', 'SOL_IPV6', 'SOL_UDP', 'SOL_TCP'],
  ];
  // IPPROTO_* are enumerators, and so not seen by #ifdef; they are all there.
  const program = [...new Set(names)].map((name) =>
    name.startsWith('IPPROTO_')
      ? `  printf("\\"%s\\": %ld,\\n", "${name}", (long)${name});`
      : `#ifdef ${name}\n  printf("\\"%s\\": %ld,\\n", "${name}", (long)${name});\n#endif`,
  );
  const output = compileAndRun(`int main(void) {\n${program.join('\n')}\n  return 0;\n}`);
  numbers = JSON.parse(`{${output.trimEnd().replace(/,$/, '')}}`) as Record<string, number>;
});

for (const [name, row] of options) {
  testWith({ tools })(`${name} has the number of the header`, () => {
    if (numbers[name] === undefined) expect(NOT_IN_OLD_HEADERS).toContain(name);
    else expect(row.name).toBe(numbers[name]);
  });
}

for (const [name, { type }] of messages) {
  testWith({ tools })(`control message ${name} has the number of the header`, () => {
    const known = numbers[CONTROL_NAMES[name] ?? name];
    if (known === undefined) expect(NOT_IN_OLD_HEADERS).toContain(name);
    else expect(type).toBe(known);
  });
}

testWith({ tools })('the headers have nearly all of the options', () => {
  const missing = options.map(([name]) => name).filter((name) => numbers[name] === undefined);
  expect(NOT_IN_OLD_HEADERS).toEqual(expect.arrayContaining(missing));
});

testWith({ tools })('the levels have the numbers of the headers', () => {
  // SOL_SOCKET is asm/socket.h's; the others are IPPROTO_* of linux/in.h and in6.h.
  expect(numbers).toMatchObject(LEVELS);
});

test('control messages have the level that their name says', () => {
  for (const [name, { level }] of messages) {
    const prefix = name.slice(0, name.indexOf('_'));
    const expected = { IP: 0, IPV6: 41, TCP: 6, UDP: 17, SO: 1, SCM: 1 }[prefix];
    expect(level, name).toBe(expected);
  }
});

describe('TCP_INFO', () => {
  /** As the header has it: members of struct tcp_info behind the bit fields, in order. */
  let fields: string[] = [];
  let decoded: Record<string, unknown> = {};
  let bytes = Buffer.alloc(0);

  beforeAll(() => {
    if (missingNeeds({ tools }) !== undefined) return;
    const source = execFileSync('gcc', ['-E', '-P', '-x', 'c', '-'], {
      input: '#include <linux/tcp.h>\n',
      encoding: 'utf8',
    });
    const [, body = ''] = /struct tcp_info \{([^}]*)\}/.exec(source) ?? [];
    fields = [...body.matchAll(/__u(?:16|32|64)\s+tcpi_(\w+);/g)].map(([, name]) => name!);
    const set = fields.map((name, index) => `  info.tcpi_${name} = ${valueOf(index)};`);
    bytes = Buffer.from(
      compileAndRun(`
        int main(void) {
          struct tcp_info info;
          memset(&info, 0, sizeof info);
          info.tcpi_state = 4; info.tcpi_ca_state = 3; info.tcpi_retransmits = 5; info.tcpi_probes = 6;
          info.tcpi_backoff = 7; info.tcpi_options = 40; info.tcpi_snd_wscale = 9; info.tcpi_rcv_wscale = 14;
          info.tcpi_delivery_rate_app_limited = 1; info.tcpi_fastopen_client_fail = 2;
          ${set.join('\n')}
          for (size_t i = 0; i < sizeof info; i++) printf("%02x", ((unsigned char *)&info)[i]);
          return 0;
        }`),
      'hex',
    );
    decoded = decodeTcpInfo(bytes, bytes.length);
  });

  testWith({ tools })('every field of the header is decoded from where the compiler put it', () => {
    expect(fields.length).toBeGreaterThan(40);
    for (const [index, name] of fields.entries()) {
      expect({ [name]: decoded[camelCase(name)] }).toEqual({ [name]: Number(valueOf(index)) });
    }
  });

  testWith({ tools })('so are the bytes and the bit fields at its beginning', () => {
    expect(decoded).toMatchObject({
      ...{ state: 'FIN_WAIT1', caState: 'RECOVERY', retransmits: 5, probes: 6, backoff: 7, options: 40 },
      ...{ sndWscale: 9, rcvWscale: 14, deliveryRateAppLimited: true, fastopenClientFail: 'DATA_NOT_ACKED' },
    });
  });

  testWith({ tools })('a kernel with a shorter one leaves the later fields out, at any length', () => {
    const all = Object.keys(decoded);
    for (let length = 0; length <= bytes.length; length++) {
      const info = decodeTcpInfo(bytes, length) as unknown as Record<string, unknown>;
      const keys = Object.keys(info);
      expect(keys).toEqual(all.slice(0, keys.length));
      // What is behind the first eight bytes is whole or absent.
      for (const key of keys.slice(10)) expect(info[key]).toEqual(decoded[key]);
    }
  });

  testWith({ tools })('a kernel with a longer one changes nothing, but for the fields that are known by now', () => {
    const longer = Buffer.concat([bytes, Buffer.alloc(200, 0xff)]);
    const info = decodeTcpInfo(longer, longer.length) as unknown as Record<string, unknown>;
    expect(info).toMatchObject(decoded);
    const younger = Object.keys(info).filter((key) => !(key in decoded));
    expect([...YOUNGER_FIELDS.slice(YOUNGER_FIELDS.length - younger.length)]).toEqual(younger);
  });

  test('of this kernel is decoded to its last byte', () => {
    using socket = tcp();
    const raw = getOption(socket, { level: 6, name: 11 }, 4096);
    const info = getOption(socket, 'TCP_INFO');
    expect(Object.keys(info)).toEqual(Object.keys(decodeTcpInfo(raw, raw.length)));
    if (kernel(6, 18) && !kernel(6, 19)) {
      expect(raw).toHaveLength(280);
      expect(Object.keys(info).at(-1)).toBe(YOUNGER_FIELDS.at(-1));
      const without = Object.keys(decodeTcpInfo(raw, raw.length - 1));
      expect(without).not.toContain(YOUNGER_FIELDS.at(-1));
    }
  });

  test('numbers of 64 bits are whole, and all ones are Infinity', () => {
    const info = new Uint8Array(512);
    const view = new DataView(info.buffer);
    view.setBigUint64(104, 2n ** 64n - 1n, true); // tcpi_pacing_rate
    view.setBigUint64(112, 2n ** 40n + 1n, true); // tcpi_max_pacing_rate
    expect(decodeTcpInfo(info, 512)).toMatchObject({ pacingRate: Infinity, maxPacingRate: 2 ** 40 + 1 });
  });

  test('states and other words that a later kernel may add do not break it', () => {
    const info = new Uint8Array(512).fill(0xff);
    expect(decodeTcpInfo(info, 512)).toMatchObject({
      state: 'UNKNOWN',
      caState: 'OPEN',
      fastopenClientFail: 'SYN_RETRANSMITTED',
    });
  });
});

/** Fields that the headers of Debian 12 lack, in their order: Linux 6.2, 6.7, 6.18. */
const YOUNGER_FIELDS = [
  ...['rcvWnd', 'rehash', 'totalRto', 'totalRtoRecoveries', 'totalRtoTime', 'receivedCe'],
  ...['deliveredE1Bytes', 'deliveredE0Bytes', 'deliveredCeBytes', 'receivedE1Bytes', 'receivedE0Bytes'],
  ...['receivedCeBytes', 'accEcn'],
];

/** Another one for each field, and in each of its bytes. It fits in 16 bits. */
function valueOf(index: number): string {
  return String(0x1001 + index * 0x0101);
}

/** snd_cwnd → sndCwnd */
function camelCase(name: string): string {
  return name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function compileAndRun(main: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'linux-sockets-headers-'));
  try {
    const includes = ['stddef.h', 'stdio.h', 'string.h', 'sys/types.h', 'time.h', ...HEADERS].map(
      (name) => `#include <${name}>`,
    );
    writeFileSync(join(directory, 'main.c'), `${includes.join('\n')}\n${main}\n`);
    execFileSync('gcc', ['-o', join(directory, 'main'), join(directory, 'main.c')], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    return execFileSync(join(directory, 'main'), { encoding: 'utf8' });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
