// The only file that loads the addon. `Native` types every member with the C call behind it: one call each, no more.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SocketError } from './errors.js';

/** Every number that a method returns is a result >= 0, or a negative errno. Addresses are sockaddr bytes. */
export interface Handle {
  /**
   * Makes a socket from a recipe (src/source/recipe.ts): socket(2), and what follows it, on an empty Handle. 0, or the
   * negative errno of the step that failed, whose index is then in the arena; what was opened is closed again.
   */
  make(arena: Uint8Array): number;
  /** socket(2) with SOCK_NONBLOCK | SOCK_CLOEXEC; 0. */
  socket(domain: number, type: number, protocol: number): number;
  /** Takes ownership of `fd` and makes it non-blocking and close-on-exec, fcntl(2); 0. On failure the caller still owns it. */
  adopt(fd: number): number;
  /** Owns a copy of `fd`, fcntl(2) F_DUPFD_CLOEXEC; 0. */
  duplicate(fd: number): number;
  /** dup3(2) with O_CLOEXEC: `fd`, which the caller owns, then refers to this socket. */
  dup3(fd: number): number;
  /** The descriptor, -1 when there is none. */
  fd(): number;
  /** Gives the descriptor to the caller. */
  detach(): number;
  /** close(2); 0 when it was closed already. */
  close(): number;
  /** bind(2) */
  bind(address: Uint8Array): number;
  /** connect(2); an address of AF_UNSPEC disconnects. */
  connect(address: Uint8Array): number;
  /** listen(2) */
  listen(backlog: number): number;
  /** accept4(2) with SOCK_NONBLOCK | SOCK_CLOEXEC into an empty Handle; the length of the peer's address. */
  accept(into: Handle, address: Uint8Array): number;
  /** shutdown(2) */
  shutdown(how: number): number;
  /** getsockname(2); the length of the address. */
  getsockname(address: Uint8Array): number;
  /** getpeername(2); the length of the address. */
  getpeername(address: Uint8Array): number;
  /** setsockopt(2); a number is an int. */
  setsockopt(level: number, name: number, value: Uint8Array | number): number;
  /** getsockopt(2); the length of the value. That of SO_GET_FILTER is in bytes as well. */
  getsockopt(level: number, name: number, value: Uint8Array): number;
  /** setsockopt(2) of a struct sock_fprog: `program` is an array of struct sock_filter, 1 to 4096. */
  attachFilter(level: number, name: number, program: Uint8Array): number;
  /** sendmsg(2) with MSG_NOSIGNAL; bytes sent. Empty address and control mean none. */
  sendmsg(buffers: readonly Uint8Array[], address: Uint8Array, control: Uint8Array, flags: number): number;
  /** recvmsg(2); bytes received. `result` takes three uint32: name length, control length, flags. */
  recvmsg(
    buffers: readonly Uint8Array[],
    address: Uint8Array,
    control: Uint8Array,
    flags: number,
    result: Uint8Array,
  ): number;
  /**
   * recvmmsg(2) into equal slots; how many messages were received, at most `count`. `result` has room for four uint32 a
   * slot (data length, name length, control length, flags), and so says how many slots there are, 1 to 256; the other
   * buffers are divided by it.
   */
  recvmmsg(count: number, data: Uint8Array, names: Uint8Array, control: Uint8Array, result: Uint8Array): number;
  /** sendto(2) with MSG_NOSIGNAL; bytes sent. Without an address it goes to the connected peer. */
  sendto(data: Uint8Array, address?: Uint8Array): number;
  /** sendmsg(2), the same with control messages, which lie in `beside`; the address is at its start. */
  sendto(data: Uint8Array, beside: Uint8Array, addressLength: number, control: number, controlLength: number): number;
  /**
   * sendmmsg(2) with MSG_NOSIGNAL of `count` records from `first` on; messages sent, or a negative errno if none was
   * sent. A record is eight uint32: offset and length of the data in `data`, of the address and of the control messages in
   * `beside`, whether a zero byte follows the data, and one for the caller.
   */
  sendmmsg(data: Uint8Array, beside: Uint8Array, records: Uint8Array, first: number, count: number): number;
}

/**
 * uv_poll_t on the environment's own loop. While started it keeps itself and its callback alive; before that the caller
 * keeps the callback, and start with one that was collected is ECANCELED.
 */
export interface Poll {
  /** uv_poll_init */
  open(handle: Handle): number;
  /** uv_poll_start; events: 1 readable, 2 writable. */
  start(events: number): number;
  /** uv_poll_stop */
  stop(): number;
  /** uv_ref for 1, uv_unref for 0: whether it keeps the event loop alive while it is started. */
  keepAlive(keep: number): number;
  /** uv_close; to be called before the descriptor is closed. */
  close(): number;
}

export interface Native {
  readonly Handle: new () => Handle;
  readonly Poll: new (callback: (status: number, events: number) => void) => Poll;
  /** setsockopt(2) on a borrowed descriptor. */
  setsockopt(fd: number, level: number, name: number, value: Uint8Array | number): number;
  /** getsockopt(2) on a borrowed descriptor. */
  getsockopt(fd: number, level: number, name: number, value: Uint8Array): number;
  /** Handle.attachFilter on a borrowed descriptor. */
  attachFilter(fd: number, level: number, name: number, program: Uint8Array): number;
  /** getsockname(2) on a borrowed descriptor. */
  getsockname(fd: number, address: Uint8Array): number;
  /** if_nametoindex(3); `name` ends with a zero byte. */
  ifNameToIndex(name: Uint8Array): number;
  /** if_indextoname(3); the length of the name. */
  ifIndexToName(index: number, name: Uint8Array): number;
  /** Sets the callback for descriptors that the garbage collector had to close. */
  onLeak(listener: (fd: number) => void): void;
}

const PREBUILDS: Partial<Record<string, URL>> = prebuilds();
/** Not in the package, so it must not look like a file that a bundler has to find. */
const DEVELOPERS_BUILD = PREBUILDS['x64'] && new URL('../../build/Release/linux_sockets.node', PREBUILDS['x64']);

const isLinux = process.platform === 'linux';

/**
 * False off Linux, where the package imports and every call throws ERR_UNSUPPORTED_PLATFORM, and where the package has no
 * binary for the architecture, where every call throws ERR_UNSUPPORTED.
 */
export const isSupported: boolean = isLinux && hasBinary();

/** Waiting needs libuv, whose handles end the process on Bun (bun#18546). */
export const canWait: boolean = isLinux && process.versions['bun'] === undefined;

let loaded: Native | undefined;

/** The addon, loaded at first use. */
export function native(): Native {
  return (loaded ??= load());
}

function load(): Native {
  if (!isLinux) {
    throw new SocketError(
      'ERR_UNSUPPORTED_PLATFORM',
      `linux-sockets works on Linux only, and this is ${process.platform}. Check isSupported before you call it.`,
    );
  }
  const path = locate();
  let addon: Native;
  try {
    // Not `require`, which a bundler would replace.
    addon = process.getBuiltinModule('module').createRequire(path)(path) as Native;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_DLOPEN_DISABLED') {
      throw new SocketError(
        'ERR_UNSUPPORTED',
        'This process may not load addons: start Node without --no-addons, and with --allow-addons under --permission.',
        { cause: error },
      );
    }
    throw error;
  }
  addon.onLeak((fd) => {
    process.emitWarning(
      `A socket (descriptor ${String(fd)}) was closed by the garbage collector. Close it when you are done with it: ` +
        'collection may come late, or never.',
      { type: 'LinuxSocketsWarning', code: 'LINUX_SOCKETS_NOT_CLOSED' },
    );
  });
  return addon;
}

/** What LINUX_SOCKETS_BINDING names (a sanitizer build, say), the developer's own build, or the one in the package. */
function locate(): string {
  const chosen = process.env['LINUX_SOCKETS_BINDING'];
  if (chosen !== undefined && chosen !== '') return chosen;
  const candidates = [DEVELOPERS_BUILD, PREBUILDS[process.arch]]
    .filter((url) => url !== undefined)
    .map((url) => fileURLToPath(url));
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) {
    throw new SocketError(
      'ERR_UNSUPPORTED',
      `linux-sockets has no binary for linux-${process.arch}; the package contains those for linux-x64 and linux-arm64. ` +
        'If this is another architecture, build it in a checkout of the repository with `npm ci`, and set ' +
        'LINUX_SOCKETS_BINDING to the path of its build/Release/linux_sockets.node. If a bundler left the binary out, see ' +
        `docs/bundlers.md. Looked for:\n  ${candidates.join('\n  ') || 'nothing: a bundle as CommonJS does not know its path'}`,
    );
  }
  return found;
}

/** Bundlers and tracers of dependencies find files by these expressions, and copy them. */
function prebuilds() {
  try {
    return {
      x64: new URL('../prebuilds/linux-x64/linux-sockets.node', import.meta.url),
      arm64: new URL('../prebuilds/linux-arm64/linux-sockets.node', import.meta.url),
    };
  } catch {
    return {}; // import.meta.url is undefined in a bundle as CommonJS, which chooses with LINUX_SOCKETS_BINDING
  }
}

function hasBinary(): boolean {
  try {
    locate();
    return true;
  } catch (error) {
    if (error instanceof SocketError) return false;
    // The permission model hides it, which is reported at the first call.
    if (error instanceof Error && 'code' in error && error.code === 'ERR_ACCESS_DENIED') return true;
    throw error;
  }
}
