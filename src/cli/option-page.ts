// An option in words: a manual page for the command line, and the cells of docs/options.md.
import type { Kind } from '../options/kinds.js';
import { LEVELS, socketsOf, type OptionRow } from '../options/row.js';

/** A section of a manual page: its title and its text. */
export type Section = readonly [title: string, text: string];

function sectionsOf(name: string, row: OptionRow): readonly Section[] {
  return [
    ['NAME', `${name}, ${row.level} (${LEVELS[row.level]}) ${row.name}`],
    ['VALUE', valueOf(row)],
    ['DESCRIPTION', row.doc],
    ['SOCKETS', socketsText(row) + MPTCP_NOTES[row.mptcp ?? 'taken']],
    ['PRIVILEGE', row.privilege ?? 'None.'],
    ['SINCE', row.since === undefined ? 'Linux 4.18 or earlier.' : `Linux ${row.since.join('.')}.`],
    ['PHASE', PHASES[row.late ?? 'ever']],
    ['INHERITANCE', inheritance(row)],
    ['READS BACK', readsBack(row)],
    ['SEE ALSO', seeAlso(row)],
  ];
}

/** The page as text, as man(1) lays it out. */
export function manualPage(name: string, row: OptionRow): string {
  return sectionsOf(name, row)
    .map(([title, text]) => `${title}\n${wrap(text, 72)}`)
    .join('\n');
}

/** The value in a few words: its type in JavaScript, its bounds, its struct. */
export function valueOf(row: OptionRow): string {
  const { min, max, step, words, known } = row;
  const text = words === undefined ? VALUES[row.kind] : `${wordList(words)}, or a number`;
  const bounds =
    min === undefined && max === undefined
      ? ''
      : min === undefined
        ? `, at most ${max}`
        : max === undefined
          ? `, ${min} or more`
          : min === max
            ? `, ${min}`
            : `, ${min} to ${max}`;
  const steps = step === undefined ? '' : `, a multiple of ${step}`;
  const access = row.access === undefined ? '' : row.access === 'get' ? ' Read-only.' : ' Write-only.';
  const examples = known === undefined ? '' : `: ${known.map((word) => `'${word}'`).join(', ')}, …`;
  return `${text}${bounds}${steps}${examples}.${access}`;
}

function wordList(words: Readonly<Record<string, number>>): string {
  return Object.entries(words)
    .map(([word, number]) => `'${word}' (${String(number)})`)
    .join(', ');
}

export function socketsText(row: OptionRow): string {
  const sockets = socketsOf(row);
  const texts = (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const types = sockets.filter(([of]) => of === family).map(([, type]) => type);
    return types.length === 0 ? [] : [`${FAMILY_NAMES[family]} ${types.join(', ')}`];
  });
  return `${texts.join('; ')}.`;
}

function inheritance(row: OptionRow): string {
  if (row.inherited === true) return 'Accepted sockets inherit it.';
  if (row.access === 'get' || row.kind === 'action') return 'Does not apply.';
  if (!socketsOf(row).some(([, type]) => type === 'stream'))
    return 'Does not apply: such sockets do not accept connections.';
  return row.access === 'set' ? 'Unknown: it cannot be read.' : 'Accepted sockets start with the default.';
}

function readsBack(row: OptionRow): string {
  if (row.access === 'get') return 'Read-only.';
  if (row.access === 'set') return 'Write-only.';
  return row.readBack === undefined ? 'Unchanged.' : READ_BACK[row.readBack];
}

function seeAlso(row: OptionRow): string {
  return row.groupLevel === undefined
    ? `${row.source}.`
    : `${row.source}. For an IPv6 group, ${row.groupLevel} is used automatically.`;
}

function wrap(text: string, width: number): string {
  let line = '';
  let lines = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines += `       ${line}\n`;
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return `${lines}       ${line}\n`;
}

const FAMILY_NAMES = { ipv4: 'IPv4', ipv6: 'IPv6' } as const;

const MPTCP_NOTES: Readonly<Record<NonNullable<OptionRow['mptcp']> | 'taken', string>> = {
  taken: '',
  refused: ' MPTCP sockets refuse it.',
  ignored: ' MPTCP sockets ignore it.',
};

const PHASES: Readonly<Record<NonNullable<OptionRow['late']> | 'ever', string>> = {
  ever: 'Any time the kernel accepts it.',
  portAssigned:
    'Until a local port is assigned; ERR_OPTION_TOO_LATE afterwards, because the kernel would silently ignore it.',
  connected:
    'Until the connection is established; ERR_OPTION_TOO_LATE afterwards, because the kernel would silently ignore it.',
};

const READ_BACK: Readonly<Record<NonNullable<OptionRow['readBack']>, string>> = {
  doubled: 'Doubled: the kernel accounts for its own overhead.',
  adjusted: 'As adjusted by the kernel.',
};

const VALUES: Readonly<Record<Kind, string>> = {
  flag: 'true or false',
  action: 'true',
  int: 'An integer',
  uint: 'An unsigned 32-bit integer',
  uint64: 'A bigint',
  rate: 'An integer, or Infinity',
  portRange: '[lo, hi], 0 for an unset bound',
  linger: 'Seconds, 0 to 65535, or false (struct linger)',
  timeout: 'Milliseconds (struct timeval)',
  text: 'Text',
  bytes: 'A Uint8Array',
  messages: 'An array of control messages, as recvmsg returns them',
  memoryInfo: '{ rmemAlloc, rcvbuf, wmemAlloc, sndbuf, fwdAlloc, wmemQueued, optmem, backlog, drops }',
  tcpInfo: 'TcpInfo: { state, rtt, segsOut, … } (struct tcp_info)',
  interface: 'The name or index of an interface; it reads as the index',
  unicastInterface: 'The name or index of an interface; it reads as the index (network byte order)',
  ipv4Membership: '{ group, address?, interface? } (struct ip_mreqn)',
  ipv4SourceMembership: '{ group, source, address? } (struct ip_mreq_source)',
  ipv4SourceFilter: "{ group, address?, mode: 'include' | 'exclude', sources } (struct ip_msfilter)",
  ipv4MulticastInterface: '{ address?, interface? }; it reads as the address (struct ip_mreqn)',
  ipv6Membership: '{ address, interface? } (struct ipv6_mreq)',
  groupMembership: '{ group, interface? } (struct group_req)',
  groupSource: '{ group, source, interface? } (struct group_source_req)',
  groupFilter: "{ group, interface?, mode: 'include' | 'exclude', sources } (struct group_filter)",
  stickyInterface: 'The name or index of an interface, 0 for none (struct in6_pktinfo)',
  pathMtu: '{ mtu, destination? } (struct ip6_mtuinfo)',
  flowLabel:
    "{ action: 'get' | 'put' | 'renew', label, destination?, share?, … }; " +
    'it reads as { label, destination, share, expires, linger } (struct in6_flowlabel_req)',
  timestamping: "{ flags: ['RX_SOFTWARE', 'SOFTWARE', …], bindPhc? } (struct so_timestamping)",
  transmitTime: "{ clock: 'CLOCK_MONOTONIC' | 'CLOCK_TAI' | …, deadline?, reportErrors? } (struct sock_txtime)",
  filter: 'An array of 1 to 4096 instructions { code, jt, jf, k } (struct sock_fprog)',
  program: 'The descriptor of an eBPF program',
  md5Key: '{ peer, key } (struct tcp_md5sig)',
  md5PrefixKey: '{ peer, key, prefixLength?, interface? } (struct tcp_md5sig)',
  aoKey: '{ peer, prefixLength, algorithm, key, sendId, receiveId, … } (struct tcp_ao_add)',
  aoKeyRemoval: '{ peer, prefixLength, sendId, receiveId, … } (struct tcp_ao_del)',
  aoInfo: '{ current?, next?, required?, acceptIcmps? }; counters when read (struct tcp_ao_info_opt)',
  aoRepair: '{ sentIsn, receivedIsn, sentSne, receivedSne } (struct tcp_ao_repair)',
  repairMode: "true, false, or 'off-without-probe'",
  repairQueue: "'none', 'receive' or 'send'",
  repairOptions:
    '{ mss?, windowScale?: { send, receive }, sackPermitted?, timestamps? } (an array of struct tcp_repair_opt)',
  repairWindow: '{ sndWl1, sndWnd, maxWindow, rcvWnd, rcvWup } (struct tcp_repair_window)',
};
