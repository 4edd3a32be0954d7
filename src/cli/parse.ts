// Arguments of the command line: endpoints, addresses, port ranges, counts. An error names the expected form.
import { isIP } from 'node:net';
import { InvalidArgumentError } from 'commander';
import type { PortRange } from '../kernel/sysctl.js';
import { Endpoint } from '../wire/endpoint.js';

/** Wrong use that Commander cannot detect, such as an unknown option name. Ends the program with status 2. */
export class UsageError extends Error {}

/** ADDRESS:PORT. */
export function parseEndpoint(text: string): Endpoint {
  try {
    return Endpoint.from(text);
  } catch {
    throw new InvalidArgumentError('Expected ADDRESS:PORT, such as 192.0.2.1:53 or [2001:db8::1]:53.');
  }
}

/** ADDRESS or ADDRESS:PORT; without a port it is 0. */
export function parseLocal(text: string): Endpoint {
  if (isIP(text) !== 0) return Endpoint.from({ address: text, port: 0 });
  try {
    return Endpoint.from(text);
  } catch {
    throw new InvalidArgumentError('Expected ADDRESS or ADDRESS:PORT, such as 192.0.2.1 or [2001:db8::1]:40000.');
  }
}

/** LO-HI, or one port. */
export function parseRange(text: string): PortRange {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const lo = Number(match?.[1]);
  const hi = Number(match?.[2] ?? match?.[1]);
  if (match === null || lo < 1 || hi > 65535 || lo > hi) {
    throw new InvalidArgumentError('Expected LO-HI, two ports from 1 to 65535, such as 40000-40999.');
  }
  return [lo, hi];
}

/** An integer from 1 to 65535. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 65535) {
    throw new InvalidArgumentError('Expected an integer from 1 to 65535.');
  }
  return count;
}
