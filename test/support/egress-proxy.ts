// The egress-proxy example as a child process, its log, and raw clients.
import { readdirSync } from 'node:fs';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { startNode, type ChildResult, type RunningChild } from './child.js';

const MAIN = new URL('../../examples/egress-proxy/main.mjs', import.meta.url).pathname;

export interface LogLine {
  readonly event: string;
  readonly [key: string]: unknown;
}

/** Starts the proxy on ports that the kernel chooses. Disposing of the result kills it. */
export async function startProxy(...args: readonly string[]): Promise<RunningProxy> {
  return await startProxyWith({}, ...args);
}

export async function startProxyWith(env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<RunningProxy> {
  const where = ['--http', '127.0.0.1:0', '--socks', '127.0.0.1:0', '--metrics', '127.0.0.1:0'];
  const child = startNode(MAIN, { args: [...where, ...args], env });
  const port = async (protocol: string): Promise<number> =>
    Number((await child.printed(new RegExp(`"protocol":"${protocol}","address":"[^"]*","port":(\\d+)`)))[1]);
  return new RunningProxy(child, await port('http'), await port('socks'), await port('metrics'));
}

export class RunningProxy implements AsyncDisposable {
  readonly #child: RunningChild;
  readonly httpPort: number;
  readonly socksPort: number;
  readonly metricsPort: number;

  constructor(child: RunningChild, httpPort: number, socksPort: number, metricsPort: number) {
    this.#child = child;
    this.httpPort = httpPort;
    this.socksPort = socksPort;
    this.metricsPort = metricsPort;
  }

  get pid(): number {
    return this.#child.child.pid ?? 0;
  }

  /** Waits until the log has `count` lines with this event. */
  async logged(event: string, count = 1): Promise<LogLine[]> {
    return await this.#child.until((stdout) => {
      const lines = stdout.split('\n').slice(0, -1);
      const found = lines.map((text) => JSON.parse(text) as LogLine).filter((line) => line.event === event);
      return found.length >= count ? found : undefined;
    }, `${count} × ${event}`);
  }

  /** The number of its open descriptors. Rejects with its output if it has ended. */
  async fds(): Promise<number> {
    const { child } = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) {
      const { stdout, stderr } = await this.#child.result;
      throw new Error(`the proxy has ended (${child.signalCode ?? child.exitCode}):\n${stdout}${stderr}`);
    }
    return readdirSync(`/proc/${child.pid ?? 0}/fd`).length;
  }

  async metrics(): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.metricsPort}/metrics`, { headers: { connection: 'close' } });
    return await response.text();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.child.kill(signal);
  }

  get ended(): Promise<ChildResult> {
    return this.#child.result;
  }

  /** A tunnel by HTTP CONNECT, once the proxy has answered 200; otherwise rejects with the answer. */
  async tunnel(destination: string, headers = ''): Promise<Socket> {
    const client = connect({ host: '127.0.0.1', port: this.httpPort, allowHalfOpen: true });
    client.on('error', () => undefined); // tests that break tunnels look at the log
    client.write(`CONNECT ${destination} HTTP/1.1\r\nhost: ${destination}\r\n${headers}\r\n`);
    let answer = '';
    while (!answer.includes('\r\n\r\n')) {
      const chunk = client.read() as Buffer | null;
      if (chunk !== null) answer += chunk.toString('latin1');
      else if (client.readableEnded || client.destroyed) break;
      else await Promise.race([once(client, 'readable'), once(client, 'close')]);
    }
    if (answer.startsWith('HTTP/1.1 200 ')) return client;
    client.destroy();
    throw new Error(answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
