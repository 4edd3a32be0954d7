// A cache of Endpoints of recent peers, looked up by the sockaddr bytes that the kernel wrote: creating one takes a
// microsecond and makes garbage, and most datagrams come from a known peer.
import { AF_INET, AF_INET6 } from '../../kernel/numbers.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { Endpoint, SOCKADDR_SIZE } from '../../wire/endpoint.js';

/** The Endpoint of a sockaddr that starts at a word of `words`; undefined if it is not an IP address. */
export function endpointAt(words: Uint32Array, at: number): Endpoint | undefined {
  const place = find(words, at);
  return (endpoints[place] ??= Endpoint.decode(
    new Uint8Array(words.buffer, words.byteOffset + 4 * at, Math.min(SOCKADDR_SIZE, 4 * (words.length - at))),
  ));
}

/** A string that is the same for the same peer: its family, port, address and scope as UTF-16 units; not readable text. */
export function keyAt(words: Uint32Array, at: number): string {
  const place = find(words, at);
  return (keys[place] ??= makeKey(WORDS * place));
}

/** Writes a sockaddr to words that `endpointAt` can read: an IPv4 address and no port. @param at of its four bytes */
export function writeAddress4(into: Uint32Array, address: number): void {
  into[0] = FAMILY_4;
  into[1] = address;
}

/** Writes an IPv6 address, with port 0, that starts at a word of `words`; the scope of a link-local one is the interface. */
export function writeAddress6(into: Uint32Array, words: Uint32Array, at: number, interfaceIndex: number): void {
  into[0] = FAMILY_6;
  into[1] = 0;
  for (let i = 0; i < 4; i++) into[2 + i] = words[at + i] ?? 0;
  into[6] = isLinkLocal(words[at] ?? 0) ? interfaceIndex : 0;
}

/** Writes the sockaddr_in that starts at a word of `words` as IPv6 sockets write it: mapped. */
export function writeMapped(into: Uint32Array, words: Uint32Array, at: number): void {
  into.fill(0);
  into[0] = ((words[at] ?? 0) & ~FAMILY_MASK) | FAMILY_6;
  into[4] = LITTLE_ENDIAN ? 0xffff0000 : 0x0000ffff;
  into[5] = words[at + 1] ?? 0;
}

/** Whether the sockaddr that starts at a word of `words` is an IPv4 one. */
export function isIPv4At(words: Uint32Array, at: number): boolean {
  return ((words[at] ?? 0) & FAMILY_MASK) === FAMILY_4;
}

/** fe80::/10, ff01::/16, ff02::/16 and those with other flags. */
function isLinkLocal(head: number): boolean {
  const [first, second] = LITTLE_ENDIAN ? [head & 0xff, (head >>> 8) & 0xff] : [head >>> 24, (head >>> 16) & 0xff];
  return first === 0xfe ? (second & 0xc0) === 0x80 : first === 0xff && ((second & 0xf) === 1 || (second & 0xf) === 2);
}

/** ff00::/8 */
export function isMulticast6(head: number): boolean {
  return (LITTLE_ENDIAN ? head & 0xff : head >>> 24) === 0xff;
}

/**
 * The slot of a sockaddr in a direct-mapped cache: every address has one slot, and the latest address replaces the one
 * before. So a flood of forged addresses cannot make it grow.
 *
 * sockaddr_in: family and port, address, eight bytes of padding. sockaddr_in6: family and port, flow, address, scope. The
 * flow does not identify the peer.
 */
function find(words: Uint32Array, at: number): number {
  const head = words[at] ?? 0;
  const isIPv4 = isIPv4At(words, at);
  const a = isIPv4 ? (words[at + 1] ?? 0) : (words[at + 5] ?? 0);
  const b = isIPv4 ? 0 : (words[at + 2] ?? 0);
  const c = isIPv4 ? 0 : (words[at + 3] ?? 0);
  const d = isIPv4 ? 0 : (words[at + 4] ?? 0);
  const e = isIPv4 ? 0 : (words[at + 6] ?? 0);
  let hash = Math.imul(head ^ (head >>> 16), 0x9e3779b1) ^ Math.imul(a, 0x85ebca6b);
  if (!isIPv4) hash ^= Math.imul(b ^ Math.imul(c ^ Math.imul(d ^ e, 0x27d4eb2f), 0xc2b2ae35), 0x2c1b3c6d);
  const place = (hash ^ (hash >>> 13) ^ (hash >>> 22)) & (PLACES - 1);
  const first = WORDS * place;
  if (
    known[first] === head &&
    known[first + 1] === a &&
    known[first + 2] === b &&
    known[first + 3] === c &&
    known[first + 4] === d &&
    known[first + 5] === e
  ) {
    return place;
  }
  known[first] = head;
  known[first + 1] = a;
  known[first + 2] = b;
  known[first + 3] = c;
  known[first + 4] = d;
  known[first + 5] = e;
  endpoints[place] = undefined;
  keys[place] = undefined;
  return place;
}

function makeKey(first: number): string {
  const [head, a] = [known[first] ?? 0, known[first + 1] ?? 0];
  const short = String.fromCharCode(head & 0xffff, head >>> 16, a >>> 16, a & 0xffff);
  if ((head & FAMILY_MASK) === FAMILY_4) return short;
  const [b, c, d, e] = [2, 3, 4, 5].map((i) => known[first + i] ?? 0) as [number, number, number, number];
  return (
    short + String.fromCharCode(b >>> 16, b & 0xffff, c >>> 16, c & 0xffff, d >>> 16, d & 0xffff, e >>> 16, e & 0xffff)
  );
}

const PLACES = 4096;
const WORDS = 6;
/** The position of the family in the first word: its two bytes come first. */
const FAMILY_MASK = LITTLE_ENDIAN ? 0xffff : 0xffff0000;
const FAMILY_4 = LITTLE_ENDIAN ? AF_INET : AF_INET << 16;
const FAMILY_6 = LITTLE_ENDIAN ? AF_INET6 : AF_INET6 << 16;

// Shared by all sockets of this thread.
const known = new Uint32Array(WORDS * PLACES);
const endpoints: (Endpoint | undefined)[] = Array.from({ length: PLACES }, () => undefined);
const keys: (string | undefined)[] = Array.from({ length: PLACES }, () => undefined);
