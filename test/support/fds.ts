// The descriptors of this process, to show that none leaks.
import { readdirSync, readlinkSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';

/** Descriptor → what it refers to: a path, `socket:[inode]`, `anon_inode:[eventpoll]`. */
export function listFds(): Map<number, string> {
  const fds = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      fds.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The descriptor of the listing itself.
    }
  }
  return fds;
}

/** How many of the process's descriptors are sockets. */
export function countSockets(): number {
  return [...listFds().values()].filter((link) => link.startsWith('socket:')).length;
}

/**
 * Fails when `action` leaves a new descriptor open, and names it. A descriptor that is closed a few turns of the event loop later
 * (libuv's close callbacks, 'exit' of a child) is not a leak.
 */
export async function expectNoNewFds(action: () => unknown): Promise<void> {
  const before = listFds();
  await action();
  let left: [number, string][] = [];
  for (let turns = 0; turns < 100; turns++) {
    left = [...listFds()].filter(([fd, link]) => before.get(fd) !== link);
    if (left.length === 0) return;
    await turn();
  }
  throw new Error(`descriptors left open: ${left.map(([fd, link]) => `${fd} → ${link}`).join(', ')}`);
}
