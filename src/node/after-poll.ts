// Time limits for what the event loop reports. After a turn that took long, timers run before what the kernel has reported
// in the meantime: a timer that fires late would end a connection that has been there for a while (nodejs/undici#3410).

/** A timer. */
export interface TimeLimit {
  clear(): void;
  ref(): void;
  unref(): void;
}

/**
 * Calls back after some milliseconds, and after the events of the sockets that occurred until then have been reported
 * (timers, poll, check: the order of libuv's loop), so that one of these may `clear` it.
 */
export function afterPoll(milliseconds: number, callback: () => void): TimeLimit {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    immediate = setImmediate(callback);
    if (!timer.hasRef()) immediate.unref();
  }, milliseconds);
  return {
    clear: () => {
      clearTimeout(timer);
      clearImmediate(immediate);
    },
    ref: () => {
      timer.ref();
      immediate?.ref();
    },
    unref: () => {
      timer.unref();
      immediate?.unref();
    },
  };
}
