// The cases of the kernel's own selftest of segmentation offload (tools/testing/selftests/net/udpgso.c), as a table for an
// MTU of 1500, followed by our own cases.

/** The result of a send: the lengths of the datagrams that arrive, or the code of the error. */
export type Outcome = readonly number[] | string;

export interface GsoCase {
  readonly title: string;
  /** Bytes that are sent, and bytes of a segment; 0 for none. */
  readonly length: number;
  readonly segment: number;
  /** By one sendmsg(2). */
  readonly kernel: Outcome;
  /** By `segmentSize`, where the library cuts what one call could not take. @default `kernel` */
  readonly cut?: Outcome;
}

export const MTU = 1500;

/** The table for datagrams that go out as IPv4, or as IPv6. */
export function gsoCases(wire: 'ipv4' | 'ipv6'): readonly GsoCase[] {
  const mss = MTU - (wire === 'ipv4' ? 28 : 48);
  const limit = wire === 'ipv4' ? 65507 : 65527;
  const whole = Math.floor(limit / mss) * mss;
  return [
    { title: 'one byte', length: 1, segment: 0, kernel: [1] },
    { title: 'the MTU', length: mss, segment: 0, kernel: [mss] },
    { title: 'a byte more than the MTU', length: mss + 1, segment: 0, kernel: 'EMSGSIZE' },
    { title: 'one segment', length: mss, segment: mss, kernel: [mss] },
    { title: 'a segment and a byte', length: mss + 1, segment: mss, kernel: [mss, 1] },
    { title: 'two segments', length: 2 * mss, segment: mss, kernel: [mss, mss] },
    { title: 'two segments and a byte', length: 2 * mss + 1, segment: mss, kernel: [mss, mss, 1] },
    { title: 'the maximum number of whole segments', length: whole, segment: mss, kernel: parts(whole, mss) },
    { title: 'the maximum number of bytes', length: limit, segment: mss, kernel: parts(limit, mss) },
    {
      title: 'a byte more than the maximum',
      ...{ length: limit + 1, segment: mss },
      ...{ kernel: 'EMSGSIZE', cut: [...parts(whole, mss), limit + 1 - whole] },
    },
    { title: 'a segment of one byte', length: 1, segment: 1, kernel: [1] },
    { title: 'two segments of one byte', length: 2, segment: 1, kernel: [1, 1] },
    { title: 'segments of two bytes, and a byte', length: 5, segment: 2, kernel: [2, 2, 1] },
    { title: 'the maximum number of shortest segments', length: 128, segment: 1, kernel: parts(128, 1) },
    {
      title: 'one more than the maximum number of shortest segments',
      ...{ length: 129, segment: 1 },
      ...{ kernel: 'EINVAL', cut: parts(129, 1) },
    },

    { title: 'an empty datagram', length: 0, segment: 0, kernel: [0] },
    {
      title: 'an empty one with a segment size',
      ...{ length: 0, segment: 100, kernel: [0], cut: 'ERR_INVALID_ARG_VALUE' },
    },
    { title: 'less than a segment', length: mss - 1, segment: mss, kernel: [mss - 1] },
    { title: 'less than a segment, which would be too long', length: mss, segment: mss + 1, kernel: [mss] },
    { title: 'the longest segment size', length: 100, segment: 65535, kernel: [100] },
    { title: 'one segment that is too long', length: mss + 1, segment: mss + 1, kernel: 'EMSGSIZE' },
    { title: 'two segments that are too long', length: 2 * mss + 2, segment: mss + 1, kernel: 'EMSGSIZE' },
    { title: 'a byte after a segment that is too long', length: mss + 2, segment: mss + 1, kernel: 'EMSGSIZE' },
    { title: '128 segments', length: 128 * 200, segment: 200, kernel: parts(128 * 200, 200) },
    {
      title: '128 segments and a byte',
      ...{ length: 128 * 200 + 1, segment: 200 },
      ...{ kernel: 'EINVAL', cut: parts(128 * 200 + 1, 200) },
    },
    {
      title: '120,000 bytes',
      ...{ length: 120_000, segment: 1400, kernel: 'EMSGSIZE', cut: parts(120_000, 1400) },
    },
  ];
}

function parts(length: number, size: number): number[] {
  return Array.from({ length: Math.ceil(length / size) }, (_, i) => Math.min(size, length - i * size));
}
