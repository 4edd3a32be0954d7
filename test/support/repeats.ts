// How often a test repeats what fails only sometimes. When the suite runs again, on another Node or under a sanitizer, a fifth
// is enough: LINUX_SOCKETS_REPEATS=fewer.

export function repeats(times: number): number {
  return process.env['LINUX_SOCKETS_REPEATS'] === 'fewer' ? Math.ceil(times / 5) : times;
}
