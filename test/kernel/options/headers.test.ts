// The table against the newest kernel headers that Debian has, as gcc reads them: every option of the headers is a row
// with the header's number, or is listed with a reason; every struct has the header's size; TCP_INFO its layout.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { getOption, OPTIONS, type OptionRow } from '../../../src/index.js';
import { KINDS, type Kind } from '../../../src/options/kinds.js';
import { TIMESTAMPING_FLAGS } from '../../../src/options/kinds/timestamping.js';
import { OMITTED } from '../../../src/options/omitted.js';
import * as numbersOf from '../../../src/kernel/numbers.js';
import { LEVELS, type Level } from '../../../src/options/row.js';
import { decodeTcpInfo } from '../../../src/options/tcp-info.js';
import { CONTROL_MESSAGES } from '../../../src/wire/control-messages.js';
import { missingNeeds } from '../../support/kernel.js';
import { tcp } from '../../support/sockets.js';

const include = process.env['LINUX_SOCKETS_HEADERS'] ?? '';
const missing = process.env['LINUX_SOCKETS_NO_HEADERS'] ?? missingNeeds({ tools: ['gcc'] });
const rows = Object.entries<OptionRow>(OPTIONS);

/** What a header's options are called, and what in it is called like that and is none. */
const HEADERS: Readonly<Record<string, { readonly level: Level; readonly options: RegExp; readonly others: RegExp }>> =
  {
    'asm/socket.h': { level: 'SOL_SOCKET', options: /^SO_/, others: /^$/ },
    'linux/in.h': {
      level: 'IPPROTO_IP',
      options: /^(IP|MCAST)_/,
      others: /^IP_(PMTUDISC|DEFAULT_MULTICAST)_|^MCAST_(EX|IN)CLUDE$/,
    },
    'linux/in6.h': {
      level: 'IPPROTO_IPV6',
      options: /^IPV6_/,
      others: /^IPV6_(PMTUDISC|FL|TLV|PRIORITY|PREFER_SRC)_|^IPV6_FLOWINFO_(FLOWLABEL|PRIORITY)$/,
    },
    'linux/tcp.h': {
      level: 'IPPROTO_TCP',
      options: /^TCP_/,
      others:
        /^TCP_(MSS|AO_KEYF|ACCECN|MD5SIG_FLAG|RECEIVE_ZEROCOPY_FLAG)_|^TCP_(MD5SIG|AO)_MAXKEYLEN$|^TCP_REPAIR_O(N|FF|FF_NO_WP)$|^TCP_CM_INQ$/,
    },
    'linux/udp.h': { level: 'IPPROTO_UDP', options: /^UDP_/, others: /^UDP_ENCAP_/ },
  };

/** Kinds of value with the struct behind them. */
const STRUCTS: Readonly<Partial<Record<Kind, string>>> = {
  tcpInfo: 'struct tcp_info',
  linger: 'struct linger',
  timeout: 'struct __kernel_sock_timeval',
  ipv4Membership: 'struct ip_mreqn',
  ipv4SourceMembership: 'struct ip_mreq_source',
  ipv6Membership: 'struct ipv6_mreq',
  groupMembership: 'struct group_req',
  groupSource: 'struct group_source_req',
  groupFilter: 'struct group_filter',
  stickyInterface: 'struct in6_pktinfo',
  pathMtu: 'struct ip6_mtuinfo',
  flowLabel: 'struct in6_flowlabel_req',
  timestamping: 'struct so_timestamping',
  transmitTime: 'struct sock_txtime',
  md5Key: 'struct tcp_md5sig',
  md5PrefixKey: 'struct tcp_md5sig',
  aoKey: 'struct tcp_ao_add',
  aoKeyRemoval: 'struct tcp_ao_del',
  aoInfo: 'struct tcp_ao_info_opt',
  aoRepair: 'struct tcp_ao_repair',
  repairOptions: 'struct tcp_repair_opt',
  repairWindow: 'struct tcp_repair_window',
};

/** Members and where our codecs put them, of the structs that have holes or bit fields. */
const OFFSETS: Readonly<Record<string, number>> = {
  'struct tcp_md5sig, tcpm_flags': 128,
  'struct tcp_md5sig, tcpm_prefixlen': 129,
  'struct tcp_md5sig, tcpm_keylen': 130,
  'struct tcp_md5sig, tcpm_ifindex': 132,
  'struct tcp_md5sig, tcpm_key': 136,
  'struct tcp_ao_add, alg_name': 128,
  'struct tcp_ao_add, ifindex': 192,
  'struct tcp_ao_add, prefix': 202,
  'struct tcp_ao_add, maclen': 205,
  'struct tcp_ao_add, key': 208,
  'struct tcp_ao_del, ifindex': 128,
  'struct tcp_ao_del, prefix': 138,
  'struct tcp_ao_del, current_key': 141,
  'struct tcp_ao_del, keyflags': 143,
  'struct tcp_ao_info_opt, current_key': 6,
  'struct tcp_ao_info_opt, pkt_good': 8,
  'struct tcp_ao_info_opt, pkt_dropped_icmp': 40,
  'struct group_req, gr_group': 8,
  'struct group_source_req, gsr_source': 136,
  'struct group_filter, gf_fmode': 136,
  'struct group_filter, gf_slist': 144,
  'struct in6_flowlabel_req, flr_label': 16,
  'struct in6_flowlabel_req, flr_share': 21,
  'struct in6_flowlabel_req, flr_linger': 26,
};

/** Structs that only libc's headers have, as RFC 3542 and socket(2) have them. */
const LIBC = `
struct linger { int l_onoff; int l_linger; };
struct in6_pktinfo { struct in6_addr ipi6_addr; int ipi6_ifindex; };
struct ip6_mtuinfo { struct sockaddr_in6 ip6m_addr; __u32 ip6m_mtu; };`;

/** Not in any header of the kernel under this name: libc's, or another name of the same message. */
const CONTROL_NAMES: Readonly<Record<string, string>> = {
  SCM_TIMESTAMP: 'SO_TIMESTAMP_OLD',
  SCM_TIMESTAMPNS: 'SO_TIMESTAMPNS_OLD',
  SCM_TIMESTAMPING: 'SO_TIMESTAMPING_OLD',
  SO_TIMESTAMPING: 'SO_TIMESTAMPING_OLD',
};

/** What the kernel's own headers for programs do not have, or have in a header that needs libc's. */
const OF_LIBC = /^(E[A-Z]+|AF_.*|SOCK_.*|MSG_.*|SO_ORIGINAL_DST)$/;

/**
 * What the newest headers have and this package has not, or the other way round: printed, and an error only for
 * `npm run check:headers`. A kernel of tomorrow must not make the tests of today's code fail.
 */
function reportNews(what: string, names: readonly string[]): void {
  if (process.env['LINUX_SOCKETS_STRICT_HEADERS'] === '1') expect(names, what).toEqual([]);
  else if (names.length > 0) console.warn(`the kernel headers are newer: ${what}: ${names.join(', ')}`);
}

describe.each(['x86_64', 'aarch64'])('the headers of %s', (arch) => {
  if (missing !== undefined) {
    unavailable();
    return;
  }
  const found = Object.fromEntries(
    Object.entries(HEADERS).map(([header, { options, others }]) => [
      header,
      macrosOf(header, arch).filter((name) => options.test(name) && !others.test(name)),
    ]),
  );
  const numbers = evaluate(
    arch,
    Object.fromEntries(
      Object.values(found)
        .flat()
        .map((name) => [name, name]),
    ),
  );

  test('the headers have the options that have a row or are omitted with a reason', () => {
    const names = Object.values(found).flat();
    const known = rows.map(([name]) => name);
    const omitted = Object.keys(OMITTED);
    const ours = [...known, ...omitted];
    reportNews(
      'options without a row',
      names.filter((name) => !ours.includes(name)),
    );
    reportNews(
      'rows of options that are gone',
      ours.filter((name) => !names.includes(name)),
    );
    expect(ours.length - ours.filter((name) => !names.includes(name)).length).toBeGreaterThan(200);
    console.log(
      `${names.length} options in the headers: ${known.length} rows, ${omitted.length} left out with a reason`,
    );
    for (const why of Object.values(OMITTED)) expect(why).toMatch(/^\S.*[^.]$/);
  });

  test.for(rows)('the option %s has the number of its header', ([name, row], { skip }) => {
    if (numbers[name] === undefined) skip('these headers no longer have it');
    expect(numbers[name]).toBe(row.name);
    const [header] = Object.entries(found).find(([, names]) => names.includes(name))!;
    expect(HEADERS[header]?.level).toBe(row.level);
  });

  test('the numbers of src/kernel/numbers.ts are those of the headers', () => {
    const ours = Object.fromEntries(Object.entries<number>(numbersOf).filter(([name]) => !OF_LIBC.test(name)));
    const theirs = evaluate(arch, Object.fromEntries(Object.keys(ours).map((name) => [name, name])));
    expect(theirs).toEqual(ours);
    expect(Object.keys(ours).length).toBeGreaterThan(40);
  });

  test('the levels have the numbers of the headers', () => {
    const names = Object.fromEntries(Object.keys(LEVELS).map((name) => [name, name]));
    expect(evaluate(arch, names)).toEqual(LEVELS);
  });

  test('every struct has the size that its codec writes and reads', () => {
    const sizes = evaluate(
      arch,
      mapValues(STRUCTS, (struct) => `sizeof(${struct})`),
    );
    const ours = mapValues(STRUCTS, (_, kind) => KINDS[kind as Kind].size);
    // TCP_INFO has room to spare: its fields are compared below. The kernel accepts the size that a struct had when it was new.
    const grown = Object.keys(STRUCTS).filter((kind) => kind !== 'tcpInfo' && (sizes[kind] ?? 0) > (ours[kind] ?? 0));
    reportNews('structs that have grown', grown);
    const asKnown = Object.fromEntries([...grown, 'tcpInfo'].map((kind) => [kind, ours[kind]]));
    expect({ ...sizes, ...asKnown }).toEqual(ours);
  });

  test('every struct member lies where its codec writes it', () => {
    const names = Object.keys(OFFSETS);
    const offsets = evaluate(arch, Object.fromEntries(names.map((name) => [name, `__builtin_offsetof(${name})`])));
    expect(offsets).toEqual(OFFSETS);
  });

  test('the flags of SO_TIMESTAMPING are in the order of the header', () => {
    const bits: [string, string][] = TIMESTAMPING_FLAGS.map((name) => [name, `SOF_TIMESTAMPING_${name}`]);
    const expected = TIMESTAMPING_FLAGS.map((name, bit) => [name, 1 << bit]);
    const { last, ...values } = evaluate(arch, Object.fromEntries([...bits, ['last', 'SOF_TIMESTAMPING_LAST']]));
    expect(values).toEqual(Object.fromEntries(expected));
    const ourLast = 1 << (TIMESTAMPING_FLAGS.length - 1);
    expect(last).toBeGreaterThanOrEqual(ourLast);
    reportNews('flags of SO_TIMESTAMPING', last === ourLast ? [] : [`up to bit ${String(Math.log2(last ?? 0))}`]);
  });

  const messages = Object.entries<{ level: number; type: number }>(CONTROL_MESSAGES);
  const types = evaluate(arch, Object.fromEntries(messages.map(([name]) => [name, CONTROL_NAMES[name] ?? name])));
  test.each(messages)('control message %s has the number of its header', (name, { type }) => {
    expect(type).toBe(types[name]);
  });
});

test('control messages have the level that their name says', () => {
  for (const [name, { level }] of Object.entries<{ level: number }>(CONTROL_MESSAGES)) {
    const expected = { IP: 0, IPV6: 41, TCP: 6, UDP: 17 }[/^[^_]+/.exec(name)?.[0] ?? ''] ?? 1;
    expect(level, name).toBe(expected);
  }
});

test('errnos, families, types of socket and MSG_* flags have the numbers of libc', () => {
  const names = Object.keys(numbersOf).filter((name) => OF_LIBC.test(name));
  const theirs = evaluateWith([], ['errno.h', 'sys/socket.h', 'netinet/in.h', 'linux/netfilter_ipv4.h'], names);
  const ours = Object.fromEntries(names.map((name) => [name, (numbersOf as Record<string, number>)[name] ?? 0]));
  // Results of native calls are negative errnos.
  const signed = Object.fromEntries(
    Object.entries(theirs).map(([name, value]) => [name, name.startsWith('E') ? -value : value]),
  );
  expect(signed).toEqual(ours);
  expect(names.length).toBeGreaterThan(30);
});

describe('TCP_INFO', () => {
  if (missing !== undefined) {
    unavailable();
    return;
  }
  // As the header has it: members of struct tcp_info behind the bit fields, in order.
  const source = preprocess('#include <linux/tcp.h>', 'x86_64');
  const [, body = ''] = /struct tcp_info \{([^}]*)\}/.exec(source) ?? [];
  const fields = [...body.matchAll(/__u(?:16|32|64)\s+tcpi_(\w+);/g)].map(([, name]) => name!);
  const bytes = Buffer.from(
    compileAndRun(
      'x86_64',
      `struct tcp_info info;
       __builtin_memset(&info, 0, sizeof info);
       info.tcpi_state = 4; info.tcpi_ca_state = 3; info.tcpi_retransmits = 5; info.tcpi_probes = 6;
       info.tcpi_backoff = 7; info.tcpi_options = 40; info.tcpi_snd_wscale = 9; info.tcpi_rcv_wscale = 14;
       info.tcpi_delivery_rate_app_limited = 1; info.tcpi_fastopen_client_fail = 2;
       ${fields.map((name, index) => `info.tcpi_${name} = ${valueOf(index)};`).join('\n')}
       for (unsigned long i = 0; i < sizeof info; i++) printf("%02x", ((unsigned char *)&info)[i]);`,
    ),
    'hex',
  );
  const decoded = decodeTcpInfo(bytes, bytes.length) as unknown as Record<string, unknown>;

  test('decodeTcpInfo reads every field of the header at the offset that the compiler uses', () => {
    expect(fields.length).toBeGreaterThan(50);
    for (const [index, name] of fields.entries()) {
      expect({ [name]: decoded[camelCase(name)] }).toEqual({ [name]: Number(valueOf(index)) });
    }
  });

  test('decodeTcpInfo reads the bytes and bit fields at the beginning of struct tcp_info', () => {
    expect(decoded).toMatchObject({
      ...{ state: 'FIN_WAIT1', caState: 'RECOVERY', retransmits: 5, probes: 6, backoff: 7, options: 40 },
      ...{ sndWscale: 9, rcvWscale: 14, deliveryRateAppLimited: true, fastopenClientFail: 'DATA_NOT_ACKED' },
    });
  });

  test('decodeTcpInfo of a shorter struct omits the later fields, at any length', () => {
    const all = Object.keys(decoded);
    for (let length = 0; length <= bytes.length; length++) {
      const info = decodeTcpInfo(bytes, length) as unknown as Record<string, unknown>;
      const keys = Object.keys(info);
      expect(keys).toEqual(all.slice(0, keys.length));
      // What is behind the first eight bytes is whole or absent.
      for (const key of keys.slice(10)) expect(info[key]).toEqual(decoded[key]);
    }
  });

  test('decodeTcpInfo of a longer struct ignores the additional bytes', () => {
    const longer = Buffer.concat([bytes, Buffer.alloc(200, 0xff)]);
    expect(decodeTcpInfo(longer, longer.length)).toEqual(decoded);
  });

  test('TCP_INFO of this kernel has all fields that fit its length', () => {
    using socket = tcp();
    const raw = getOption(socket, { level: 6, name: 11 }, 4096);
    const info = getOption(socket, 'TCP_INFO');
    expect(Object.keys(info)).toEqual(Object.keys(decodeTcpInfo(raw, raw.length)));
  });

  test('decodeTcpInfo reads 64-bit numbers exactly, and all ones as Infinity', () => {
    const info = new Uint8Array(512);
    const view = new DataView(info.buffer);
    view.setBigUint64(104, 2n ** 64n - 1n, true); // tcpi_pacing_rate
    view.setBigUint64(112, 2n ** 40n + 1n, true); // tcpi_max_pacing_rate
    expect(decodeTcpInfo(info, 512)).toMatchObject({ pacingRate: Infinity, maxPacingRate: 2 ** 40 + 1 });
  });

  test('decodeTcpInfo reads unknown states and words of later kernels without an error', () => {
    const info = new Uint8Array(512).fill(0xff);
    const words = { state: 'UNKNOWN', caState: 'OPEN', fastopenClientFail: 'SYN_RETRANSMITTED' };
    expect(decodeTcpInfo(info, 512)).toMatchObject(words);
  });
});

/** A run with CI set must have run everything. */
function unavailable(): void {
  if (process.env['CI']) test('kernel headers to compare with are installed', () => expect.fail(missing));
  else test.skip(`needs the kernel headers of Debian sid: ${missing}`);
}

/** The macros of a header that have a value, and take no arguments. */
function macrosOf(header: string, arch: string): string[] {
  const defined = execFileSync('gcc', [...flags(arch), '-dM', '-E', '-x', 'c', '-'], {
    input: `#include <${header}>\n`,
    encoding: 'utf8',
  });
  return [...defined.matchAll(/^#define (\w+) +\S/gm)].map(([, name]) => name!);
}

function preprocess(source: string, arch: string): string {
  return execFileSync('gcc', [...flags(arch), '-E', '-P', '-x', 'c', '-'], { input: `${source}\n`, encoding: 'utf8' });
}

/** The values of C expressions, by name. */
function evaluate(arch: string, expressions: Readonly<Record<string, string>>): Record<string, number> {
  const lines = Object.entries(expressions).map(([name, c]) => `printf("%s\\t%ld\\n", "${name}", (long)(${c}));`);
  const values = compileAndRun(arch, lines.join('\n')).trimEnd().split('\n');
  return Object.fromEntries(values.map((line) => line.split('\t')).map(([name = '', value]) => [name, Number(value)]));
}

/** The values of names of this machine's own headers. */
function evaluateWith(flags: string[], headers: string[], names: readonly string[]): Record<string, number> {
  const lines = names.map((name) => `printf("%s\\t%ld\\n", "${name}", (long)(${name}));`);
  const values = compile(flags, headers, '', lines.join('\n')).trimEnd().split('\n');
  return Object.fromEntries(values.map((line) => line.split('\t')).map(([name = '', value]) => [name, Number(value)]));
}

function compileAndRun(arch: string, body: string): string {
  return compile(
    flags(arch),
    [...Object.keys(HEADERS), 'linux/uio.h', 'linux/net_tstamp.h', 'linux/time_types.h'],
    LIBC,
    body,
  );
}

function compile(flags: readonly string[], headers: readonly string[], more: string, body: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'linux-sockets-headers-'));
  const program = join(directory, 'main');
  const includes = headers.map((name) => `#include <${name}>`).join('\n');
  const source = `${includes}\n${more}\nint printf(const char *, ...);\nint main(void) {\n${body}\nreturn 0;\n}\n`;
  try {
    writeFileSync(`${program}.c`, source);
    execFileSync('gcc', [...flags, '-o', program, `${program}.c`], { stdio: ['ignore', 'inherit', 'inherit'] });
    return execFileSync(program, { encoding: 'utf8' });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** None but the fetched headers: those of the machine are older. Both machines are alike in the sizes of C's types. */
function flags(arch: string): string[] {
  return ['-nostdinc', '-isystem', include, '-isystem', join(include, `${arch}-linux-gnu`)];
}

function mapValues<T, U>(object: Readonly<Record<string, T>>, map: (value: T, key: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value, key)]));
}

/** Another one for each field, and in each of its bytes. It fits in 16 bits. */
function valueOf(index: number): string {
  return String(0x1001 + index * 0x0101);
}

/** snd_cwnd → sndCwnd */
function camelCase(name: string): string {
  return name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
