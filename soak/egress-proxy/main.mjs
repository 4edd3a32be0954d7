// Connections through examples/egress-proxy, by HTTP CONNECT and SOCKS5 in turn, with random data that an upstream sends
// back. Fails if a byte is lost or wrong, or if the proxy uses more descriptors or memory at the end than at the start.
import { existsSync, writeFileSync } from 'node:fs';
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { clearInterval, setInterval } from 'node:timers';
import { fileURLToPath } from 'node:url';
import { exchange } from './client.mjs';
import { collectGarbage, usageOf } from '../support/usage.mjs';

const WARM_UP = 5000;
const AT_A_TIME = 64;
/** What the allocator may retain: 10 % and 8 MB of resident memory, 1 MB of heap. */
const MORE_RSS = { factor: 1.1, bytes: 8 << 20 };
const MORE_HEAP_BYTES = 1 << 20;

/** @type {{ connections: number, json: boolean }} */
const { connections, json } = JSON.parse(process.argv[2] ?? '{}');
if (!Number.isInteger(connections) || connections < 1) fail('--connections must be a whole number from 1');

// One source has about 64,000 ports toward the upstream, each available again a millisecond after its connection.
setUp('net.ipv4.ip_local_port_range', '1024 65535');
setUp('net.ipv4.tcp_tw_reuse', '1');
setUp('net.ipv4.tcp_tw_reuse_delay', '1');
execFileSync('ip', ['route', 'add', 'local', '10.9.0.0/24', 'dev', 'lo']);

const upstream = await start([], fileURLToPath(new URL('upstream.mjs', import.meta.url)));
const proxy = await start(
  ['--expose-gc', '--import', fileURLToPath(new URL('../support/report-usage.mjs', import.meta.url))],
  fileURLToPath(new URL('../../examples/egress-proxy/main.mjs', import.meta.url)),
  ...['--source', '10.9.0.0/28', '--quiet', '--http', '127.0.0.1:3128', '--socks', '127.0.0.1:1080'],
);
const startedAt = performance.now();
let done = 0;
let bytes = 0;
let failures = 0;
let lastFailure = '';
const progress = setInterval(showProgress, 1000);

await run(WARM_UP);
const before = await settled();
await run(connections);
const after = await settled();
clearInterval(progress);
const seconds = (performance.now() - startedAt) / 1000;

const problems = [
  ...(failures > 0 ? [`${failures} connections failed; the last: ${lastFailure}`] : []),
  ...(after.fds === before.fds ? [] : [`descriptors: ${before.fds} before, ${after.fds} after`]),
  ...(after.heap <= before.heap + MORE_HEAP_BYTES
    ? []
    : [`heap: ${mega(before.heap)} before, ${mega(after.heap)} after`]),
  ...(after.rss <= before.rss * MORE_RSS.factor + MORE_RSS.bytes
    ? []
    : [`resident memory: ${mega(before.rss)} before, ${mega(after.rss)} after`]),
];
const result = { connections, bytes, seconds, perSecond: (connections + WARM_UP) / seconds, before, after, problems };
if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
else {
  process.stderr.write('\n');
  process.stdout.write(
    `${connections} connections (after ${WARM_UP} to warm up) in ${seconds.toFixed(0)} s, ${mega(bytes)} compared\n` +
      `descriptors      ${before.fds} → ${after.fds}\n` +
      `heap             ${mega(before.heap)} → ${mega(after.heap)}\n` +
      `resident memory  ${mega(before.rss)} → ${mega(after.rss)}\n` +
      (problems.length === 0 ? 'no leak\n' : `FAILED: ${problems.join('; ')}\n`),
  );
}
for (const child of [proxy, upstream]) child.kill('SIGTERM');
process.exitCode = problems.length === 0 ? 0 : 1;

/** @param {number} wanted */
async function run(wanted) {
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_A_TIME }, async () => {
      while (next < wanted) {
        const index = next++;
        try {
          const compared = await exchange(index); // not `bytes += await …`: others add to it meanwhile
          bytes += compared;
        } catch (error) {
          failures++;
          lastFailure = error instanceof Error ? error.message : String(error);
        }
        done++;
      }
    }),
  );
}

/** What the proxy uses once its last tunnels are closed and its garbage is collected. */
async function settled() {
  const pid = proxy.pid ?? 0;
  // Its sockets close a moment after the client's: repeat until two results are the same.
  let usage = usageOf(pid, await collectGarbage(proxy));
  for (;;) {
    const again = usageOf(pid, await collectGarbage(proxy));
    if (again.fds === usage.fds) return again;
    usage = again;
  }
}

/** Starts a program; resolves when it has printed its first line. @param {string[]} flags @param {string} script @param {...string} args */
async function start(flags, script, ...args) {
  const child = spawn(process.execPath, [...flags, script, ...args], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  process.on('exit', () => child.kill('SIGKILL'));
  const lines = createInterface(/** @type {import('node:stream').Readable} */ (child.stdout));
  await new Promise((resolve, reject) => {
    lines.once('line', resolve);
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`${script} exited with ${code}`)));
  });
  return child;
}

/** @param {string} name @param {string} value */
function setUp(name, value) {
  const path = `/proc/sys/${name.replaceAll('.', '/')}`;
  if (existsSync(path)) writeFileSync(path, value);
}

function showProgress() {
  if (json) return;
  const rate = done / ((performance.now() - startedAt) / 1000);
  process.stderr.write(
    `\r${done} of ${connections + WARM_UP}  ${rate.toFixed(0)}/s  ${mega(bytes)}  ${failures} failed  `,
  );
}

/** @param {number} count */
function mega(count) {
  return `${(count / 1e6).toFixed(1)} MB`;
}

/** @param {string} why @returns {never} */
function fail(why) {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}
