// Address families by the names that this package uses, with the kernel's numbers (linux/socket.h).
import { AF_INET, AF_INET6 } from '../kernel/numbers.js';

/** As in Node's net.SocketAddress. */
export type Family = 'ipv4' | 'ipv6';

export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

export function familyNumber(family: Family): number {
  return family === 'ipv4' ? AF_INET : AF_INET6;
}
