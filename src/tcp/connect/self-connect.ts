// Self-connect: a socket whose local port is the destination's, on the same address, is connected to itself (a simultaneous
// open) although nobody listens there. The kernel picks such a port once in a range; it is then left out of the search.
import type { PortRange } from '../../kernel/sysctl.js';
import { effectiveRange } from '../../ports/evidence.js';
import { contains, wasEphemeral } from '../../ports/port-range.js';
import type { Source } from '../../source/source.js';

/** Whether the local port may be this one, without asking the kernel: most destinations are outside the range. */
export function mayPickPort(source: Source, port: number): boolean {
  return source.port === 0 ? contains(source.range, port) && wasEphemeral(port) : source.port === port;
}

/** The ranges on both sides of a port, the larger one first; none if the source has no other port. */
export function rangesBeside(source: Source, port: number): readonly PortRange[] {
  if (source.port !== 0) return [];
  const [lo, hi] = effectiveRange(source.range);
  const ranges: PortRange[] = [];
  if (lo < port) ranges.push([lo, port - 1]);
  if (port < hi) ranges.push([port + 1, hi]);
  return ranges.sort(([a, b], [c, d]) => d - c - (b - a));
}
