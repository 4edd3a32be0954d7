// What a child process has: descriptors, resident memory, heap after a collection.
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** @typedef {{ heap: number, external: number }} Heap bytes */

/** @param {import('node:child_process').ChildProcess} child one that has loaded report-usage.mjs @returns {Promise<Heap>} */
export async function collectGarbage(child) {
  child.send('collect');
  const [heap] = await once(child, 'message');
  return heap;
}

/** @param {number} pid @param {Heap} heap */
export function usageOf(pid, { heap, external }) {
  const [, kilobytes = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return { fds: readdirSync(`/proc/${pid}/fd`).length, rss: Number(kilobytes) * 1024, heap, external };
}
