// Poll at the native boundary: its states, its events, and a descriptor that has been closed. Sequences that might abort the
// process run in a child.
import { describe, expect, test } from 'vitest';
import { native, type Handle } from '../../../src/binding.js';
import { runNode } from '../../support/child.js';
import { expectNoNewFds } from '../../support/fds.js';
import { datagramHandle, emptyHandle } from '../../support/handles.js';

const { Handle, Poll } = native();
const [READABLE, WRITABLE] = [1, 2];
const [EBADF, EBUSY, EEXIST] = [-9, -16, -17];
const EMPTY = new Uint8Array(0);

describe('Poll states', () => {
  test('a Poll that was not opened, or was closed, returns EBADF', async () => {
    await expectNoNewFds(() => {
      const poll = new Poll(() => undefined);
      expect([poll.start(READABLE), poll.stop(), poll.close()]).toEqual([EBADF, EBADF, 0]);
      const handle = socket();
      expect(poll.open(handle)).toBe(0);
      expect([poll.close(), poll.close()]).toEqual([0, 0]);
      expect([poll.start(READABLE), poll.stop()]).toEqual([EBADF, EBADF]);
      handle.close();
    });
  });

  test('Poll.open of a Handle without a descriptor is refused', () => {
    const poll = new Poll(() => undefined);
    const handle = emptyHandle();
    expect(poll.open(handle)).toBe(EBADF);
    handle.socket(2, 2, 0);
    handle.close();
    expect(poll.open(handle)).toBe(EBADF);
    expect(poll.start(READABLE)).toBe(EBADF);
  });

  test('a Poll can be opened once, and again after close', () => {
    const handle = socket();
    const other = socket();
    const poll = new Poll(() => undefined);
    expect(poll.open(handle)).toBe(0);
    expect(poll.open(handle)).toBe(EBUSY);
    expect(poll.open(other)).toBe(EBUSY);
    poll.close();
    expect(poll.open(other)).toBe(0);
    poll.close();
    handle.close();
    other.close();
  });

  test('two Polls cannot watch the same descriptor at the same time', () => {
    const handle = socket();
    const [first, second] = [new Poll(() => undefined), new Poll(() => undefined)];
    expect(first.open(handle)).toBe(0);
    expect(first.start(READABLE)).toBe(0);
    expect(second.open(handle)).toBe(EEXIST);
    first.close();
    expect(second.open(handle)).toBe(0);
    second.close();
    handle.close();
  });

  test('Poll.stop without start and repeated Poll.start succeed', () => {
    const handle = socket();
    const poll = new Poll(() => undefined);
    expect(poll.open(handle)).toBe(0);
    expect([poll.stop(), poll.stop()]).toEqual([0, 0]);
    expect([poll.start(READABLE), poll.start(READABLE), poll.start(READABLE | WRITABLE)]).toEqual([0, 0, 0]);
    expect([poll.stop(), poll.stop(), poll.close()]).toEqual([0, 0, 0]);
    handle.close();
  });
});

describe('Poll events', () => {
  test('a Poll reports the requested events that have occurred', async () => {
    const handle = socket();
    const seen: number[] = [];
    let wake = (): void => undefined;
    const poll = new Poll((status, events) => {
      expect(status).toBe(0);
      seen.push(events);
      poll.stop();
      wake();
    });
    const next = async (events: number): Promise<void> => {
      const woken = new Promise<void>((resolve) => (wake = resolve));
      poll.start(events);
      await woken;
    };
    poll.open(handle);
    await next(WRITABLE);
    await next(READABLE | WRITABLE);
    sendTo(handle);
    await next(READABLE);
    await next(READABLE | WRITABLE);
    expect(seen).toEqual([WRITABLE, WRITABLE, READABLE, READABLE | WRITABLE]);
    poll.close();
    handle.close();
  });

  test('a Poll callback may close its Poll and its Handle', async () => {
    await expectNoNewFds(async () => {
      const handle = socket();
      await new Promise<void>((resolve) => {
        const poll = new Poll(() => {
          poll.close();
          handle.close();
          resolve();
        });
        poll.open(handle);
        poll.start(WRITABLE);
      });
    });
  });

  test('a Poll reports nothing after stop, although events are pending', async () => {
    const handle = socket();
    const other = socket();
    let count = 0;
    const stopped = new Poll(() => count++);
    stopped.open(handle);
    stopped.start(WRITABLE);
    stopped.stop();
    await new Promise<void>((resolve) => {
      let rounds = 0;
      const going = new Poll(() => {
        if (++rounds < 10) return;
        going.close();
        resolve();
      });
      going.open(other);
      going.start(WRITABLE);
    });
    expect(count).toBe(0);
    stopped.close();
    handle.close();
    other.close();
  });
});

describe('Poll in a child process', () => {
  const prologue = `
    import { native } from './lib/binding.js';
    const { Handle, Poll } = native();
    const handle = new Handle();
    handle.socket(2, 2, 0);
    const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  `;

  test('a Poll that is open but not started does not keep the process alive', async () => {
    await runNode(`${prologue} const poll = new Poll(() => {}); poll.open(handle); globalThis.kept = poll;`);
  });

  test('a started Poll keeps the process alive until its event occurs', async () => {
    const { stdout } = await runNode(`${prologue}
      const poll = new Poll(() => { console.log('event'); poll.close(); });
      poll.open(handle);
      poll.start(2);
    `);
    expect(stdout).toBe('event\n');
  });

  // uv_poll_start asserts on unknown bits.
  test.each(['16', '-1', '2 ** 31 - 1'])(
    'Poll.start with unknown event bits (%s) does not abort the process',
    async (bits) => {
      const { stdout } = await runNode(`${prologue}
      const poll = new Poll(() => {});
      poll.open(handle);
      let result;
      try { result = poll.start(${bits}); } catch (error) { result = error instanceof TypeError ? -1 : 0; }
      console.log(result < 0);
      poll.close();
    `);
      expect(stdout).toBe('true\n');
    },
  );

  // epoll_ctl fails for a closed descriptor, and libuv aborts the process for that.
  test.each(['close', 'detach'])(
    'Poll.start after %s of the Handle returns EBADF and does not abort the process',
    async (method) => {
      const { stdout } = await runNode(`${prologue}
      import { closeSync } from 'node:fs';
      const poll = new Poll(() => {});
      poll.open(handle);
      const fd = handle.fd();
      handle.${method}();
      if (${method === 'detach'}) closeSync(fd);
      console.log(poll.start(1));
      await turn();
      poll.close();
      console.log('alive');
    `);
      expect(stdout).toBe('-9\nalive\n');
    },
  );

  test('Poll.start after the Handle was closed does not watch the new owner of the descriptor number', async () => {
    const { stdout } = await runNode(`${prologue}
      let events = 0;
      const poll = new Poll(() => { events++; poll.stop(); });
      poll.open(handle);
      const fd = handle.fd();
      handle.close();
      const stranger = new Handle();
      stranger.socket(2, 2, 0);
      console.log(stranger.fd() === fd);
      poll.start(2);
      await turn();
      await turn();
      console.log(events);
      poll.close();
    `);
    expect(stdout).toBe('true\n0\n');
  });

  test('closing a Handle under a started Poll does not abort the process', async () => {
    const { stdout } = await runNode(`${prologue}
      const poll = new Poll(() => {});
      poll.open(handle);
      poll.start(1);
      handle.close();
      await turn();
      poll.close();
      console.log('alive');
    `);
    expect(stdout).toBe('alive\n');
  });
});

/** A datagram socket on its own port. */
function socket(): Handle {
  const handle = datagramHandle();
  expect(handle.bind(Uint8Array.of(2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0))).toBe(0);
  return handle;
}

function sendTo(handle: Handle): void {
  const address = new Uint8Array(16);
  handle.getsockname(address);
  const sender = new Handle();
  sender.socket(2, 2, 0);
  expect(sender.sendmsg([Buffer.from('x')], address, EMPTY, 0)).toBe(1);
  sender.close();
}
