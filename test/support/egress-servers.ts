// The servers that the recipes connect to, all on 198.51.100.1, which is local in the namespace of the test: HTTP, TLS and
// SMTP in this process, databases from Debian's packages. Each reports the client that it sees.
import { spawn, execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync, appendFileSync } from 'node:fs';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import * as tls from 'node:tls';
import { SMTPServer } from 'smtp-server';
import { WebSocketServer } from 'ws';
import { certificateFor } from './certificate.js';
import { ip } from './fixtures.js';

/** Named after their programs. */
export type Database = 'postgres' | 'redis-server' | 'mariadbd';

/** Why a database cannot be started, with the name of Debian's package; undefined if it can. */
export function missingDatabase(name: Database): string | undefined {
  const missing = PROGRAMS[name].filter((program) => findProgram(program) === undefined);
  return missing.length === 0 ? undefined : `needs ${missing.join(', ')}, of Debian's package ${PACKAGES[name]}`;
}

export class Servers {
  static async start(): Promise<Servers> {
    const servers = new Servers();
    await servers.#start();
    return servers;
  }

  /** Clients that have connected to a server of this process. */
  readonly seen: { readonly address: string; readonly port: number }[] = [];
  readonly directory = mkdtempSync(join(tmpdir(), 'linux-sockets-recipes-'));
  readonly certificateFile = join(this.directory, 'certificate.pem');
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #databases = new Map<Database, ChildProcess>();

  async startDatabase(name: Database): Promise<void> {
    if (this.#databases.has(name)) return;
    const directory = join(this.directory, name);
    mkdirSync(directory);
    const { ready, command } = DATABASES[name](directory);
    const child = asNobody(command);
    this.#databases.set(name, child);
    await printed(child, ready);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const ended = [...this.#databases.values()].map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
    });
    const closed = this.#servers.map(async (server) => {
      const close = once(server, 'close');
      server.close();
      await close;
    });
    await Promise.all([...ended, ...closed]);
  }

  async #start(): Promise<void> {
    for (const prefix of ['192.0.2.0/24', '198.51.100.0/24']) ip('route', 'add', 'local', prefix, 'dev', 'lo');
    const certificate = certificateFor('api.example', 'tls.example', 'h2.example', 'mail.example');
    writeFileSync(this.certificateFile, certificate.cert);

    const answer: http.RequestListener = ({ socket }, response) => response.end(`${clientOf(socket)}\n`);
    const plain = http.createServer(answer);
    const secure = https.createServer(certificate, answer);
    for (const server of [plain, secure]) {
      new WebSocketServer({ server }).on('connection', (socket, { socket: { remoteAddress, remotePort } }) => {
        socket.send(`${remoteAddress ?? ''}:${remotePort ?? 0}`);
      });
    }
    await this.#listen(plain, 80);
    await this.#listen(secure, 443);
    await this.#listen(
      tls.createServer(certificate, (socket) => socket.end(clientOf(socket))),
      8443,
    );
    const answerWithVersion = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse): void => {
      response.end(`${clientOf(request.socket)} over HTTP/${request.httpVersion}`);
    };
    // It speaks HTTP/1.1 with clients that do not offer HTTP/2.
    await this.#listen(http2.createSecureServer({ ...certificate, allowHTTP1: true }, answerWithVersion), 8444);
    await this.#listen(http2.createServer(answerWithVersion), 8080);
    const mail = new SMTPServer({
      authOptional: true,
      disabledCommands: ['AUTH', 'STARTTLS'],
      onData: (data, { remoteAddress }, callback) => {
        data.resume().on('end', () => callback(null, `queued for ${remoteAddress}`));
      },
    });
    await this.#listen(mail.server, 2525);
  }

  async #listen(server: Server, port: number): Promise<void> {
    server.on('connection', (socket: Socket) => {
      this.seen.push({ address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 });
      this.#sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
    });
    this.#servers.push(server);
    server.listen(port, HOST);
    await once(server, 'listening');
  }
}

interface Started {
  readonly command: readonly string[];
  /** What it prints when it is ready. */
  readonly ready: RegExp;
}

/** How to start each database. Creates its data directory. */
const DATABASES: Readonly<Record<Database, (directory: string) => Started>> = {
  postgres: (directory) => {
    const data = join(directory, 'data');
    runAsNobody([program('initdb'), '-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', '--no-locale']);
    appendFileSync(join(data, 'pg_hba.conf'), 'host all all 0.0.0.0/0 trust\n');
    return {
      command: [program('postgres'), '-D', data, '-h', HOST, '-p', '5432', '-k', directory, '-F'],
      ready: /database system is ready to accept connections/,
    };
  },
  'redis-server': (directory) => ({
    command: [
      program('redis-server'),
      '--bind',
      HOST,
      '--port',
      '6379',
      '--dir',
      directory,
      '--save',
      '',
      '--protected-mode',
      'no',
    ],
    ready: /Ready to accept connections/i,
  }),
  mariadbd: (directory) => {
    const data = `--datadir=${join(directory, 'data')}`;
    runAsNobody([
      program('mariadb-install-db'),
      '--no-defaults',
      data,
      '--skip-test-db',
      '--auth-root-authentication-method=normal',
    ]);
    const setup = join(directory, 'setup.sql');
    writeFileSync(setup, "create user 'root'@'%';\n");
    const files = [
      `--socket=${join(directory, 'socket')}`,
      `--pid-file=${join(directory, 'pid')}`,
      `--init-file=${setup}`,
    ];
    const network = [`--bind-address=${HOST}`, '--port=3306', '--skip-name-resolve'];
    return {
      command: [program('mariadbd'), '--no-defaults', data, ...files, ...network],
      ready: /ready for connections/,
    };
  },
};

/** PostgreSQL refuses to run as root, and MariaDB needs an option for it: in their own user namespace they run as nobody. */
function asNobody(command: readonly string[]): ChildProcess {
  // The child ends with this process, however that ends.
  return spawn('unshare', [...NOBODY, 'setpriv', '--pdeathsig', 'KILL', '--', ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function runAsNobody(command: readonly string[]): void {
  execFileSync('unshare', [...NOBODY, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function printed(child: ChildProcess, pattern: RegExp): Promise<void> {
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const check = (chunk: Buffer): void => {
      output += chunk.toString();
      if (pattern.test(output)) resolve();
    };
    child.stdout?.on('data', check);
    child.stderr?.on('data', check);
    child.on('error', reject).on('close', (code) => {
      reject(new Error(`exited with ${String(code)}:\n${output}`));
    });
  });
}

function program(name: string): string {
  const found = findProgram(name);
  if (found === undefined) throw new Error(`${name} not found`);
  return found;
}

/** Searches PATH, and where Debian installs programs that are not in every user's PATH. */
function findProgram(name: string): string | undefined {
  const versions = existsSync(POSTGRESQL) ? readdirSync(POSTGRESQL).sort() : [];
  const path = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/sbin',
    ...versions.map((version) => join(POSTGRESQL, version, 'bin')),
  ];
  return path.map((directory) => join(directory, name)).find((file) => existsSync(file));
}

function clientOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress ?? ''}:${remotePort ?? 0}`;
}

const HOST = '198.51.100.1';
const POSTGRESQL = '/usr/lib/postgresql';
const NOBODY = ['--user', '--map-user=65534', '--map-group=65534', '--'];
const PROGRAMS: Readonly<Record<Database, readonly string[]>> = {
  postgres: ['postgres', 'initdb'],
  'redis-server': ['redis-server'],
  mariadbd: ['mariadbd', 'mariadb-install-db'],
};
const PACKAGES: Readonly<Record<Database, string>> = {
  postgres: 'postgresql',
  'redis-server': 'redis-server',
  mariadbd: 'mariadb-server',
};
