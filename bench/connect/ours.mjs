// Both sides of the trials for connect, in one process each: `node ours.mjs MODE ours|net NUMBER…`, prints one line of JSON.
// The server is a separate process, so that only the client's time is counted.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as netConnect } from 'node:net';
import { quantile } from 'simple-statistics';
import { connect, reserveMany } from '../../lib/index.js';

/** @typedef {import('node:net').Socket} Socket */
/** @typedef {import('node:net').TcpNetConnectOpts} Options */

const LOCAL = '127.0.0.7';
/** Connections to warm up, until the code is optimized. */
const WARM_UP = 2000;
const AT_A_TIME = 16;

const SERVER = `
  const server = require('node:net').createServer((socket) => socket.on('error', () => {}).resume());
  server.listen({ port: 5000, host: '127.0.0.1', backlog: 4096 }, () => console.log('listening'));
`;

/** @type {Readonly<Record<string, (make: (options: Options) => Socket, there: Options, ...numbers: number[]) => Promise<object>>>} */
const modes = {
  /** Connects and resets. CPU µs per connection. */
  plain: (make, there, count = 0) => cycle(make, there, count),

  /** The same from a local address. */
  local: (make, there, count = 0) => cycle(make, { ...there, localAddress: LOCAL }, count),

  /** The same, with `held` ports in use from there toward another destination. */
  async elsewhere(make, there, count = 0, held = 0) {
    const taken = held === 0 ? [] : reserveMany(held, { remote: '127.0.0.1:9', local: { address: LOCAL } });
    const result = await cycle(make, { ...there, localAddress: LOCAL }, count);
    for (const one of taken) one.release();
    return result;
  },

  /** From the call to 'connect', one after the other, with `held` ports in use toward the same destination: µs, p99. */
  async latency(make, there, count = 0, held = 0) {
    const options = { ...there, localAddress: LOCAL };
    await many(make, options, WARM_UP);
    const remote = { address: '127.0.0.1', port: there.port };
    const taken = held === 0 ? [] : reserveMany(held, { remote, local: { address: LOCAL } });
    const took = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      const socket = make(options);
      await once(socket, 'connect');
      took.push((performance.now() - start) * 1000);
      await reset(socket);
    }
    for (const one of taken) one.release();
    return { p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
  },
};

const [mode = '', side = '', ...numbers] = process.argv.slice(2);
const run = modes[mode];
if (run === undefined) throw new Error(`no such mode: ${mode} (${Object.keys(modes).join(', ')})`);
const server = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
await once(server.stdout, 'data');
// Not a port of the range, all of whose ports are used.
const there = { host: '127.0.0.1', port: 5000 };
try {
  console.log(JSON.stringify(await run(side === 'net' ? netConnect : connect, there, ...numbers.map(Number))));
} finally {
  server.kill();
}

/** @param {(options: Options) => Socket} make @param {Options} options @param {number} count */
async function cycle(make, options, count) {
  await many(make, options, WARM_UP);
  const start = process.cpuUsage();
  const from = performance.now();
  await many(make, options, count);
  const wall = ((performance.now() - from) * 1000) / count;
  const { user, system } = process.cpuUsage(start);
  return { cpu: (user + system) / count, wall };
}

/** @param {(options: Options) => Socket} make @param {Options} options @param {number} count */
async function many(make, options, count) {
  let left = count;
  await Promise.all(
    Array.from({ length: AT_A_TIME }, async () => {
      while (left-- > 0) {
        const socket = make(options);
        await once(socket, 'connect');
        await reset(socket);
      }
    }),
  );
}

/** Without TIME-WAIT, which would fill the range. */
async function reset(/** @type {Socket} */ socket) {
  const closed = once(socket, 'close');
  socket.resetAndDestroy();
  await closed;
}
