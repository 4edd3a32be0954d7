// UDP at full rate between two processes, with GRO and again without. Fails when heap, external memory or descriptors of
// either process grow, or when the garbage collector has work to do.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as elapsed } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** @typedef {import('./end.mjs').Held} Held */

/** Until the code is compiled and the caches are full. */
const WARM_UP_SECONDS = 10;
const SECONDS_BETWEEN_LOOKS = 10;
/** Above zero: what changes by chance (inline caches, timers, IPC), and what Node itself allocates for each event. */
const LIMITS = {
  /** Bytes. */
  heap: 256 << 10,
  /** Bytes. */
  external: 64 << 10,
  descriptors: 0,
  /** Bytes per datagram, as in the trial 'garbage' of `npm run bench -- udp`. */
  garbage: 16,
  /** Collections of the whole heap. */
  full: 0,
};

/** @type {{ minutes: number, json: boolean }} */
const { minutes, json } = JSON.parse(process.argv[2] ?? '{}');
if (!(minutes > 0)) {
  console.error('soak udp: --minutes must be a number above 0');
  process.exit(2);
}
const runs = await soak();
console.log(json ? JSON.stringify(runs, undefined, 2) : soakTable(runs));
process.exitCode = runs.some(({ failed }) => failed.length > 0) ? 1 : 0;

async function soak() {
  const runs = [];
  for (const kind of /** @type {const} */ (['gro', 'plain'])) {
    const receiver = await start('receive', kind);
    const sender = await start('send', kind);
    try {
      const ends = { sender, receiver };
      await elapsed(WARM_UP_SECONDS * 1000);
      const before = await askAll(ends, 'begin');
      const from = performance.now();
      for (let left = minutes * 60; left > 0; left -= SECONDS_BETWEEN_LOOKS) {
        await elapsed(Math.min(left, SECONDS_BETWEEN_LOOKS) * 1000);
        const now = await askAll(ends, 'look');
        progress(`${kind}: ${Math.max(0, left - SECONDS_BETWEEN_LOOKS).toFixed(0)} s left, ${line(now)}`);
      }
      const seconds = (performance.now() - from) / 1000;
      const after = await askAll(ends, 'end');
      for (const end of /** @type {const} */ (['sender', 'receiver'])) {
        runs.push({ kind, end, seconds, ...judge(before[end], after[end], seconds) });
      }
    } finally {
      for (const end of [sender, receiver]) end.kill('SIGKILL');
    }
  }
  if (!json && process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  return runs;
}

/** @typedef {Awaited<ReturnType<typeof soak>>} Runs */

function soakTable(/** @type {Runs} */ runs) {
  return runs
    .map(({ kind, end, seconds, datagrams, rate, grown, rss, collector, garbage, failed }) =>
      [
        `${kind === 'gro' ? 'GRO' : 'no GRO'}, ${end}, ${seconds.toFixed(0)} s: ${datagrams.toLocaleString('en-US')} datagrams`,
        `(${Math.round(rate).toLocaleString('en-US')} per second)`,
        `\n  grown by: heap ${grown.heap} bytes, external ${grown.external}, descriptors ${grown.descriptors}, rss ${rss}`,
        `\n  garbage: ${garbage.toFixed(2)} bytes per datagram, ${collector.collections} collections, ${collector.full} of the whole heap,`,
        `${collector.milliseconds.toFixed(0)} ms in total`,
        `\n  ${failed.length === 0 ? 'pass' : `FAIL: ${failed.join(', ')}`}`,
      ].join(' '),
    )
    .join('\n');
}

/** One line that is overwritten on a terminal, a line each time elsewhere. */
function progress(/** @type {string} */ text) {
  if (json) return;
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}

/** @param {Held} before @param {Held} after @param {number} seconds */
function judge(before, after, seconds) {
  const grown = {
    heap: after.heap - before.heap,
    external: after.external - before.external,
    descriptors: after.descriptors - before.descriptors,
  };
  const datagrams = after.datagrams - before.datagrams;
  const { collector } = after;
  if (collector === undefined) throw new Error('The process reported no garbage collections.');
  const garbage = collector.garbage / datagrams;
  const failed = /** @type {const} */ (['heap', 'external', 'descriptors'])
    .filter((what) => grown[what] > LIMITS[what])
    .map((what) => `${what} grew by ${grown[what]}`);
  if (garbage > LIMITS.garbage) failed.push(`${garbage.toFixed(1)} bytes of garbage per datagram`);
  if (collector.full > LIMITS.full) failed.push(`${collector.full} collections of the whole heap`);
  if (datagrams === 0) failed.push('no datagram was transferred');
  return { datagrams, rate: datagrams / seconds, grown, rss: after.rss - before.rss, collector, garbage, failed };
}

/** @param {'send' | 'receive'} role @param {'gro' | 'plain'} kind */
async function start(role, kind) {
  const end = fork(fileURLToPath(new URL('end.mjs', import.meta.url)), [role, kind], {
    execArgv: ['--expose-gc', '--no-memory-reducer'],
  });
  await message(end);
  return end;
}

/**
 * @param {Record<'sender' | 'receiver', import('node:child_process').ChildProcess>} ends
 * @param {'begin' | 'look' | 'end'} what
 */
async function askAll({ sender, receiver }, what) {
  const ask = async (/** @type {import('node:child_process').ChildProcess} */ end) => {
    end.send(what);
    return /** @type {Held} */ (await message(end));
  };
  return { sender: await ask(sender), receiver: await ask(receiver) };
}

/** @param {import('node:child_process').ChildProcess} end */
async function message(end) {
  const gone = new AbortController();
  const ended = once(end, 'exit', { signal: gone.signal }).then(() => {
    throw new Error('A process of the soak exited early.');
  });
  ended.catch(() => undefined);
  try {
    return (await Promise.race([once(end, 'message', { signal: gone.signal }), ended]))[0];
  } finally {
    gone.abort();
  }
}

function line(/** @type {Record<'sender' | 'receiver', Held>} */ { sender, receiver }) {
  const of = (/** @type {Held} */ { heap, external, rss, descriptors }) =>
    `heap ${mebibytes(heap)} external ${mebibytes(external)} rss ${mebibytes(rss)} fds ${descriptors}`;
  return `sender: ${of(sender)}; receiver: ${of(receiver)}`;
}

function mebibytes(/** @type {number} */ bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)}M`;
}
