// Reads the sockets from /proc/net/tcp and tcp6, as a fallback for sock_diag(7).
import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { isMapped, readIPv4, readIPv6, withoutZone } from '../wire/address.js';
import { SOCKET_STATES, type SocketFilter, type SocketName, type SocketRow } from './socket-row.js';

/** The sockets that match a filter; undefined without /proc. */
export function procSockets(filter: SocketFilter): SocketRow[] | undefined {
  const { protocol = 'tcp' } = filter;
  const texts = [protocol, `${protocol}6`].map(readTable);
  if (texts.every((text) => text === undefined)) return undefined;
  return texts.flatMap((text) => parseProcTcp(text ?? '')).filter((row) => passes(row, filter));
}

/** Reads the lines of one of the files. Lines that do not describe a socket are skipped. */
export function parseProcTcp(text: string): SocketRow[] {
  return text.split('\n').flatMap((line) => {
    const match = LINE.exec(line);
    if (match === null) return [];
    const [, local = '', remote = '', state = '', timer = '', when = '', uid = '', inode = ''] = match;
    const timeWait = timer === '03';
    return [
      {
        state: SOCKET_STATES[Number.parseInt(state, 16)] ?? 'UNKNOWN',
        timeWait,
        local: socketName(local),
        remote: socketName(remote),
        interface: 0,
        timerMs: timer === '00' ? 0 : Number.parseInt(when, 16) * MS_PER_CLOCK_TICK,
        inode: Number(inode),
        uid: Number(uid),
      },
    ];
  });
}

function readTable(name: string): string | undefined {
  try {
    return readFileSync(`/proc/net/${name}`, 'latin1');
  } catch {
    return undefined; // no /proc, or no IPv6
  }
}

/** Words of four bytes in native byte order, then the port: `0100007F:0050`. */
function socketName(text: string): SocketName {
  const [words = '', port = ''] = text.split(':');
  const bytes = Buffer.from(words, 'hex');
  if (endianness() === 'LE') bytes.swap32();
  const address =
    bytes.length === 4 ? readIPv4(bytes, 0) : isMapped(bytes, 0) ? readIPv4(bytes, 12) : readIPv6(bytes, 0);
  return { address, port: Number.parseInt(port, 16) };
}

function passes({ state, local, remote }: SocketRow, filter: SocketFilter): boolean {
  const { states, localPorts, remote: wanted } = filter;
  if (filter.local !== undefined && local.address !== withoutZone(filter.local)) return false;
  if (states?.includes(state) === false) return false;
  if (localPorts !== undefined && (local.port < localPorts[0] || local.port > localPorts[1])) return false;
  return wanted === undefined || (remote.port === wanted.port && remote.address === withoutZone(wanted.address));
}

// sl local remote state tx:rx timer:when retransmits uid timeout inode
const LINE =
  /^\s*\d+: ([\dA-F]+:[\dA-F]{4}) ([\dA-F]+:[\dA-F]{4}) ([\dA-F]{2}) [\dA-F]+:[\dA-F]+ ([\dA-F]{2}):([\dA-F]{8}) +[\dA-F]+ +(\d+) +\d+ +(\d+)/;

/** USER_HZ is 100 on every architecture that Node runs on. */
const MS_PER_CLOCK_TICK = 10;
