// Additional network namespaces, for tests that need a separate peer, router or source.
import { execFile, spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';

const exec = promisify(execFile);

export interface LinkOptions {
  /** With prefix length, IPv4 or IPv6: '10.0.0.1/24'. */
  readonly addresses?: readonly string[];
  readonly peerAddresses?: readonly string[];
  /** @default 'vethN', unique in this process */
  readonly name?: string;
  readonly peerName?: string;
}

/** Kept alive by a child process, which exits when its stdin ends, so also when this process is killed. */
export class NetworkNamespace implements AsyncDisposable {
  static async create(): Promise<NetworkNamespace> {
    const keeper = spawn('unshare', ['--net', '--', 'sh', '-c', 'ip link set lo up && echo up && exec cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    // 'close' is emitted after the output has ended, so that no output is lost.
    await Promise.race([
      once(keeper.stdout, 'data'),
      once(keeper, 'close').then(([code]) => fail(`unshare --net: exit code ${code}`)),
    ]);
    return new NetworkNamespace(keeper);
  }

  readonly #keeper: ChildProcessByStdio<Writable, Readable, null>;
  readonly #linksHere = new Set<string>();

  private constructor(keeper: ChildProcessByStdio<Writable, Readable, null>) {
    this.#keeper = keeper;
  }

  /** A process inside: `/proc/${pid}/ns/net` is the namespace. */
  get pid(): number {
    return this.#keeper.pid ?? fail('the namespace is gone');
  }

  /** Runs a program inside and returns what it printed. Fails with its error output when it fails. */
  async run(command: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await exec('nsenter', this.#enter(command, args), { maxBuffer: 16 << 20 });
    return stdout;
  }

  /** Starts a program inside that keeps running; the caller ends it. */
  spawn(
    command: string,
    args: readonly string[] = [],
    options: { readonly env?: NodeJS.ProcessEnv } = {},
  ): ChildProcess {
    return spawn('nsenter', this.#enter(command, args), { ...options, stdio: ['pipe', 'pipe', 'inherit'] });
  }

  /** A veth pair to another namespace or to the current one; both ends up, IPv6 addresses usable at once. */
  async link(
    peer: NetworkNamespace | 'current',
    options: LinkOptions = {},
  ): Promise<{ name: string; peerName: string }> {
    const name = options.name ?? `veth${counter++}`;
    const peerName = options.peerName ?? `veth${counter++}`;
    const peerPid = peer === 'current' ? process.pid : peer.pid;
    await this.run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', peerName, 'netns', String(peerPid));
    if (peer === 'current') this.#linksHere.add(peerName);
    for (const address of options.addresses ?? [])
      await this.run('ip', 'addr', 'add', address, 'dev', name, ...noDad(address));
    await this.run('ip', 'link', 'set', name, 'up');
    const inPeer = peer === 'current' ? runHere : peer.run.bind(peer);
    for (const address of options.peerAddresses ?? [])
      await inPeer('ip', 'addr', 'add', address, 'dev', peerName, ...noDad(address));
    await inPeer('ip', 'link', 'set', peerName, 'up');
    return { name, peerName };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The kernel cleans up a namespace some time after its last process: links in ours are removed by name.
    for (const name of this.#linksHere) await runHere('ip', 'link', 'del', name);
    this.#linksHere.clear();
    if (this.#keeper.exitCode !== null || this.#keeper.signalCode !== null) return;
    const closed = once(this.#keeper, 'close');
    this.#keeper.kill('SIGKILL');
    await closed;
  }

  #enter(command: string, args: readonly string[]): string[] {
    return [`--net=/proc/${this.pid}/ns/net`, '--', command, ...args];
  }
}

async function runHere(command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await exec(command, args);
  return stdout;
}

/** Duplicate address detection makes an IPv6 address unusable for a second or two. */
function noDad(address: string): readonly string[] {
  return address.includes(':') ? ['nodad'] : [];
}

function fail(message: string): never {
  throw new Error(message);
}

let counter = 0;
