// Reads sysctls of this process's network namespace: /proc/sys/net.
import { readFileSync } from 'node:fs';

/** A sysctl's text without its line end; undefined if the kernel does not have it. */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trimEnd();
  } catch {
    return undefined; // absent, or /proc is not mounted
  }
}

/** A port range, both ends included. */
export type PortRange = readonly [lo: number, hi: number];

/** net.ipv4.ip_local_port_range, for IPv6 as well: ip(7). Without /proc, the kernel's default. */
export function localPortRange(): PortRange {
  const [lo, hi] = (readSysctl('net.ipv4.ip_local_port_range') ?? '32768 60999').split(/\s+/).map(Number);
  return [lo ?? 32768, hi ?? 60999];
}

/** net.ipv4.ip_local_reserved_ports as ranges: ports that the kernel never assigns automatically. */
export function reservedPorts(): PortRange[] {
  const text = readSysctl('net.ipv4.ip_local_reserved_ports') ?? '';
  return text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const [lo = '0', hi = lo] = part.split('-');
      return [Number(lo), Number(hi)];
    });
}

/** The number of ports in a range that the kernel may pick: those not in ip_local_reserved_ports. */
export function capacity([lo, hi]: PortRange): number {
  const taken = reservedPorts().map(([from, to]) => Math.min(to, hi) - Math.max(from, lo) + 1);
  return taken.reduce((left, count) => left - Math.max(count, 0), hi - lo + 1);
}
