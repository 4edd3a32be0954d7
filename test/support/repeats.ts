// How often a test repeats what goes wrong only sometimes. Where the suite runs for the second time, on another Node or
// under a sanitizer, a fifth will do: LINUX_SOCKETS_REPEATS=fewer.

export function repeats(times: number): number {
  return process.env['LINUX_SOCKETS_REPEATS'] === 'fewer' ? Math.ceil(times / 5) : times;
}
