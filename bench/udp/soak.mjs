// `npm run bench -- udp-soak --minutes 10`: full rate, with GRO and without, a sender and a receiver. Nothing may grow,
// and the collector has nothing to do.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as elapsed } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** @typedef {import('./soak-end.mjs').Held} Held */

/** Until everything is compiled. */
const WARM_UP_SECONDS = 10;
const SECONDS_BETWEEN_LOOKS = 10;
/** What may change by chance (inline caches, timers, IPC), and what Node itself does for each event. */
const LIMITS = {
  /** Bytes. */
  heap: 256 << 10,
  /** Bytes. */
  external: 64 << 10,
  descriptors: 0,
  /** Bytes for each datagram, as in the trial 'garbage'. */
  garbage: 16,
  /** Collections of the whole heap. */
  full: 0,
};

/**
 * @param {number} minutes of each of the two
 * @param {(text: string, first: boolean) => void} progress
 */
export async function soak(minutes, progress) {
  const runs = [];
  for (const kind of /** @type {const} */ (['gro', 'plain'])) {
    const receiver = await start('receive', kind);
    const sender = await start('send', kind);
    try {
      const ends = { sender, receiver };
      await elapsed(WARM_UP_SECONDS * 1000);
      const before = await askAll(ends, 'begin');
      const from = performance.now();
      for (let first = true, left = minutes * 60; left > 0; left -= SECONDS_BETWEEN_LOOKS, first = false) {
        await elapsed(Math.min(left, SECONDS_BETWEEN_LOOKS) * 1000);
        const now = await askAll(ends, 'look');
        progress(`${kind}: ${Math.max(0, left - SECONDS_BETWEEN_LOOKS).toFixed(0)} s left, ${line(now)}`, first);
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
  progress('', false);
  return runs;
}

/** @typedef {Awaited<ReturnType<typeof soak>>} Runs */

export function soakTable(/** @type {Runs} */ runs) {
  return runs
    .map(({ kind, end, seconds, datagrams, rate, grown, rss, collector, garbage, failed }) =>
      [
        `${kind === 'gro' ? 'GRO' : 'no GRO'}, ${end}, ${seconds.toFixed(0)} s: ${datagrams.toLocaleString('en-US')} datagrams`,
        `(${Math.round(rate).toLocaleString('en-US')} a second)`,
        `\n  grown by: heap ${grown.heap} bytes, external ${grown.external}, descriptors ${grown.descriptors}, rss ${rss}`,
        `\n  garbage: ${garbage.toFixed(2)} bytes a datagram, ${collector.collections} collections, ${collector.full} of the whole heap,`,
        `${collector.milliseconds.toFixed(0)} ms in all`,
        `\n  ${failed.length === 0 ? 'pass' : `FAIL: ${failed.join(', ')}`}`,
      ].join(' '),
    )
    .join('\n');
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
  if (collector === undefined) throw new Error('The collector was not watched.');
  const garbage = collector.garbage / datagrams;
  const failed = /** @type {const} */ (['heap', 'external', 'descriptors'])
    .filter((what) => grown[what] > LIMITS[what])
    .map((what) => `${what} grew by ${grown[what]}`);
  if (garbage > LIMITS.garbage) failed.push(`${garbage.toFixed(1)} bytes of garbage a datagram`);
  if (collector.full > LIMITS.full) failed.push(`${collector.full} collections of the whole heap`);
  if (datagrams === 0) failed.push('nothing went');
  return { datagrams, rate: datagrams / seconds, grown, rss: after.rss - before.rss, collector, garbage, failed };
}

/** @param {'send' | 'receive'} role @param {'gro' | 'plain'} kind */
async function start(role, kind) {
  const end = fork(fileURLToPath(new URL('soak-end.mjs', import.meta.url)), [role, kind], {
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
    throw new Error('One end of the soak ended early.');
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
