// What a failed reservation means and what to do about it: the kernel's errno, turned into an error that says so.
import { native } from '../binding.js';
import { SocketError, SyscallError } from '../errors.js';
import { capacity, localPortRange, readSysctl, type PortRange } from '../kernel/sysctl.js';
import type { Endpoint } from '../wire/endpoint.js';
import { familyNumber } from '../wire/families.js';

/** What of a plan the explanations need. */
interface Wanted {
  readonly remote: Endpoint;
  readonly bind: Endpoint | undefined;
  readonly range: PortRange;
  readonly rangeWanted: boolean;
  readonly exclusive: boolean;
  readonly freebind: boolean;
  readonly transparent: boolean;
}

export function explainSocket(errno: number): SyscallError {
  return new SyscallError('socket', errno, {
    remedy: errno === EMFILE ? 'Each reservation takes a descriptor: raise `ulimit -n`' : undefined,
  });
}

export function explainOption(option: string, errno: number): SyscallError {
  return new SyscallError('setsockopt', errno, { option, ...optionRemedy(option, errno) });
}

function optionRemedy(option: string, errno: number): { reason?: string; remedy?: string } {
  if (option === 'TCP_FASTOPEN_CONNECT' && errno === ENOTSUP) {
    const now = Number(readSysctl('net.ipv4.tcp_fastopen') ?? 0);
    return {
      reason: 'fastopenClientOff',
      remedy:
        `Bit 1 of net.ipv4.tcp_fastopen, TCP Fast Open for clients, is off (it is ${String(now)}): ` +
        `sysctl -w net.ipv4.tcp_fastopen=${String(now | 1)}`,
    };
  }
  if (option === 'IP_LOCAL_PORT_RANGE' && errno === ENOPROTOOPT) {
    return { reason: 'unsupported', remedy: 'This kernel has no local port range of a socket; it came with Linux 6.3' };
  }
  if (errno === EPERM) return { reason: 'notPermitted', remedy: 'It needs CAP_NET_ADMIN or CAP_NET_RAW' };
  return {};
}

export function explainBind(errno: number, bind: Endpoint, wanted: Wanted): Error {
  const error = (reason?: string, remedy?: string): SyscallError =>
    new SyscallError('bind', errno, { address: bind.address, port: bind.port, reason, remedy });
  if (errno === EADDRINUSE && bind.port === 0) return exhausted(wanted, error('portRangeExhausted'));
  if (errno === EADDRINUSE)
    return error('portInUse', 'Another socket holds the port, and this one was to have it alone');
  if (errno === EADDRNOTAVAIL) {
    const prefix =
      bind.family === 'ipv6'
        ? `ip -6 route add local ${bind.address}/128 dev lo`
        : `ip route add local ${bind.address}/32 dev lo`;
    return error(
      'addressNotLocal',
      `The address is not assigned to this host. Assign it; or reserve with freebind: true, and route it here (\`${prefix}\`), or nothing will come back`,
    );
  }
  if (errno === EACCES)
    return error('notPermitted', 'A port below net.ipv4.ip_unprivileged_port_start needs CAP_NET_BIND_SERVICE');
  return error();
}

export function explainConnect(errno: number, wanted: Wanted): Error {
  const { remote, bind } = wanted;
  const error = (reason?: string, remedy?: string): SyscallError =>
    new SyscallError('connect', errno, {
      address: remote.address,
      port: remote.port,
      localAddress: bind?.address,
      localPort: bind?.port,
      reason,
      remedy,
    });
  switch (errno) {
    case EADDRNOTAVAIL:
      if (bind === undefined && !hasSource(remote)) {
        return error('noSourceAddress', 'This host has no address from which to send there');
      }
      // An exclusive port is there already: then it is the 4-tuple that somebody has.
      return wanted.exclusive
        ? error('portInUse', 'Another socket has this 4-tuple')
        : exhausted(wanted, error('portRangeExhausted'));
    case ENETUNREACH:
      if (bind?.family === 'ipv4' && wanted.freebind && !wanted.transparent) {
        return error(
          'noRoute',
          'There is no route, or the source is not local: IPv4 sends from such an address only with transparent: true',
        );
      }
      return error('noRoute', `There is no route to it: see \`ip route get ${remote.address}\``);
    case EHOSTUNREACH:
      return error('noRoute', `The route to it says unreachable: see \`ip route get ${remote.address}\``);
    case EACCES:
      return error('noRoute', 'A route forbids it (prohibit), or a broadcast address was meant');
    case EINVAL:
      if (/^fe[89ab]/.test(remote.address) && remote.scopeId === 0) {
        return error('noZone', `A link-local address needs the interface as its zone: ${remote.address}%eth0`);
      }
      return error(
        'noRoute',
        `The route to it is a black hole, or the source cannot be used for it: see \`ip route get ${remote.address}\``,
      );
    default:
      return error();
  }
}

/** Does this host have an address to send from? A UDP connect picks one as TCP's does, and sends nothing. */
function hasSource(remote: Endpoint): boolean {
  const family = remote.family === 'ipv6' || remote.mapped ? 'ipv6' : 'ipv4';
  const handle = new (native().Handle)();
  if (handle.socket(familyNumber(family), SOCK_DGRAM, 0) < 0) return true; // nothing is known then
  const connected = handle.connect(remote.sockaddr(family));
  handle.close();
  return connected !== EADDRNOTAVAIL;
}

function exhausted(wanted: Wanted, cause: SyscallError): SocketError {
  const [lo, hi] = wanted.rangeWanted ? wanted.range : localPortRange();
  const count = capacity([lo, hi]);
  const ports = `${String(count)} ${count === 1 ? 'port' : 'ports'} of ${String(lo)}-${String(hi)}`;
  const source = wanted.bind === undefined ? 'any address' : wanted.bind.address;
  return new SocketError(
    'ERR_PORT_RANGE_EXHAUSTED',
    `No local port is free from ${source} to ${wanted.remote.toString()}: there ${count === 1 ? 'is' : 'are'} ${ports}, and each is taken by a ` +
      'connection or a reservation to there, by TIME-WAIT, or by a socket that is bound to it. Take another source ' +
      'address, or a wider range (net.ipv4.ip_local_port_range).',
    { cause },
  );
}

const SOCK_DGRAM = 2;
const EPERM = -1;
const EACCES = -13;
const EINVAL = -22;
const EMFILE = -24;
const ENOPROTOOPT = -92;
const ENOTSUP = -95; // EOPNOTSUPP is the same number, and Node's name for it is this one
const EADDRINUSE = -98;
const EADDRNOTAVAIL = -99;
const ENETUNREACH = -101;
const EHOSTUNREACH = -113;
