// Network interfaces of the current namespace: name to index and back, if_nametoindex(3).
import { integer, invalidValue } from '../arguments.js';
import { native } from '../binding.js';
import { withReason } from '../errors.js';

/** Valid names, as dev_valid_name of the kernel. if_nametoindex might cut other names at a zero byte or a colon. */
const NAME = /^[^\s/:\0]{1,15}$/;

/** The index of `lo` in every network namespace; include/net/net_namespace.h. */
export const LOOPBACK_IFINDEX = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const scratch = new Uint8Array(16); // IF_NAMESIZE

/** The index of an interface; undefined if no interface has this name. */
export function interfaceIndex(name: string): number | undefined {
  if (!NAME.test(name)) return undefined;
  const index = native().ifNameToIndex(encoder.encode(`${name}\0`));
  return index > 0 ? index : undefined;
}

/** The same. @param argument what errors call it @throws ERR_INVALID_ARG_VALUE */
export function requireInterface(name: string, argument: string): number {
  const index = interfaceIndex(name);
  if (index === undefined)
    throw withReason(invalidValue(argument, name, 'no network interface has this name'), 'noDevice');
  return index;
}

/** The index of an address's zone: the name of an interface, or its index. @throws ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function zoneIndex(zone: string, argument: string): number {
  if (/^\d{1,10}$/.test(zone)) return integer(`${argument}'s zone`, Number(zone), 1, 0xffffffff);
  return requireInterface(zone, argument);
}

/** The name of an interface; undefined if no interface has this index. */
export function interfaceName(index: number): string | undefined {
  const length = native().ifIndexToName(index | 0, scratch);
  return length > 0 ? decoder.decode(scratch.subarray(0, length)) : undefined;
}
