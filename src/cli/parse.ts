// What the command line's texts mean: endpoints, addresses, port ranges, counts. A bad one says what was wanted.
import { isIP } from 'node:net';
import { InvalidArgumentError } from 'commander';
import type { PortRange } from '../kernel/sysctl.js';
import { Endpoint } from '../wire/endpoint.js';

/** The command was used wrongly, in a way that only shows when its arguments are taken together. */
export class UsageError extends Error {}

export function parseEndpoint(text: string): Endpoint {
  try {
    return Endpoint.from(text);
  } catch {
    throw new InvalidArgumentError('Wanted ADDRESS:PORT, such as 192.0.2.1:53 or [2001:db8::1]:53.');
  }
}

/** An address, with or without a port. */
export function parseLocal(text: string): Endpoint {
  if (isIP(text) !== 0) return Endpoint.from({ address: text, port: 0 });
  try {
    return Endpoint.from(text);
  } catch {
    throw new InvalidArgumentError('Wanted ADDRESS or ADDRESS:PORT, such as 192.0.2.1 or [2001:db8::1]:40000.');
  }
}

export function parseRange(text: string): PortRange {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const lo = Number(match?.[1]);
  const hi = Number(match?.[2] ?? match?.[1]);
  if (match === null || lo < 1 || hi > 65535 || lo > hi) {
    throw new InvalidArgumentError('Wanted LO-HI, two ports from 1 to 65535, such as 40000-40999.');
  }
  return [lo, hi];
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 65535) {
    throw new InvalidArgumentError('Wanted a whole number from 1 to 65535.');
  }
  return count;
}
