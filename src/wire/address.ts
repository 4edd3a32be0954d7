// IP addresses: text to bytes and back. Callers validate the text with net.isIP first.

/** Writes the four bytes of a valid IPv4 text. */
export function writeIPv4(text: string, into: Uint8Array, offset: number): void {
  let part = 0;
  let at = offset;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      into[at++] = part;
      part = 0;
    } else part = part * 10 + (code - ZERO);
  }
  into[at] = part;
}

/** Writes the sixteen bytes of a valid IPv6 text that has no zone. */
export function writeIPv6(text: string, into: Uint8Array, offset: number): void {
  const [head = '', tail] = text.split('::');
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  into.fill(0, offset, offset + 16);
  left.forEach((group, i) => writeGroup(group, into, offset + 2 * i));
  right.forEach((group, i) => writeGroup(group, into, offset + 16 - 2 * (right.length - i)));
}

/** Writes the sixteen bytes of the mapped IPv6 address of a valid IPv4 text: ::ffff:a.b.c.d. */
export function writeMapped(text: string, into: Uint8Array, offset: number): void {
  into.fill(0, offset, offset + 10);
  into.fill(0xff, offset + 10, offset + 12);
  writeIPv4(text, into, offset + 12);
}

/** The IPv4 address in four bytes, as text. */
export function readIPv4(from: Uint8Array, offset: number): string {
  return `${String(from[offset])}.${String(from[offset + 1])}.${String(from[offset + 2])}.${String(from[offset + 3])}`;
}

/** The IPv6 address in sixteen bytes, as RFC 5952 text; mapped addresses in dotted form. */
export function readIPv6(from: Uint8Array, offset: number): string {
  if (isMapped(from, offset)) return `::ffff:${readIPv4(from, offset + 12)}`;
  const values = Array.from(
    { length: 8 },
    (_, i) => ((from[offset + 2 * i] ?? 0) << 8) | (from[offset + 2 * i + 1] ?? 0),
  );
  const zeros = longestZeroRun(values);
  const hex = values.map((value) => value.toString(16));
  if (zeros.length < 2) return hex.join(':');
  return `${hex.slice(0, zeros.start).join(':')}::${hex.slice(zeros.start + zeros.length).join(':')}`;
}

/** Whether this is an IPv4-mapped address, ::ffff:0:0/96. */
export function isMapped(from: Uint8Array, offset: number): boolean {
  for (let i = 0; i < 10; i++) if (from[offset + i] !== 0) return false;
  return from[offset + 10] === 0xff && from[offset + 11] === 0xff;
}

function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const quad = new Uint8Array(4);
    writeIPv4(group, quad, 0);
    return [((quad[0] ?? 0) << 8) | (quad[1] ?? 0), ((quad[2] ?? 0) << 8) | (quad[3] ?? 0)];
  });
}

function writeGroup(group: number, into: Uint8Array, at: number): void {
  into[at] = group >> 8;
  into[at + 1] = group & 0xff;
}

function longestZeroRun(values: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  values.forEach((value, i) => {
    if (value !== 0) start = i + 1;
    else if (i - start + 1 > best.length) best = { start, length: i - start + 1 };
  });
  return best;
}

const DOT = 0x2e;
const ZERO = 0x30;

/** An address without its zone, which is an interface of one host. */
export function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? address;
}
