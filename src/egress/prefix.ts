// A source in text form: one address, or a prefix of addresses. Gives its addresses by index, and the index of an address.
import { isIPv4, isIPv6 } from 'node:net';
import { invalidType, invalidValue } from '../arguments.js';
import { withReason } from '../errors.js';
import { isMulticast } from '../wire/address-kinds.js';
import { isMapped, readIPv4, readIPv6, writeIPv4, writeIPv6 } from '../wire/address.js';
import type { Family } from '../wire/families.js';

export class Prefix {
  /** As the kernel would print it: '192.0.2.1', '192.0.2.0/24', '2001:db8::/64', 'fe80::1%eth0'. */
  readonly text: string;
  readonly family: Family;
  /** Number of addresses, the first and the last included: 256 for a /24. */
  readonly size: bigint;
  readonly #first: bigint;
  /** With its '%'; '' without a zone. */
  readonly #zone: string;
  readonly #bytes: Uint8Array;

  private constructor(family: Family, first: bigint, length: number, zone: string) {
    const bits = family === 'ipv4' ? 32 : 128;
    this.family = family;
    this.size = 1n << BigInt(bits - length);
    this.#first = first;
    this.#zone = zone;
    this.#bytes = new Uint8Array(bits / 8);
    this.text = length === bits ? this.at(0n) : `${this.at(0n)}/${length}`;
  }

  /** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE: not an address or prefix that a connection can come from */
  static parse(name: string, value: unknown): Prefix {
    if (typeof value !== 'string') throw invalidType(name, "an address or a prefix such as '192.0.2.0/24'", value);
    const refuse = (why: string): Error => invalidValue(name, value, why);
    const [address = '', length, ...rest] = value.split('/');
    const [bare = '', ...zone] = address.split('%');
    const family: Family = isIPv4(bare) ? 'ipv4' : 'ipv6';
    if (
      rest.length > 0 ||
      (family === 'ipv6' && !isIPv6(bare)) ||
      (zone.length > 0 && (family === 'ipv4' || !zone[0]))
    ) {
      throw refuse("it is not an address or a prefix such as '192.0.2.0/24'; names are not resolved");
    }
    if (zone.length > 0 && length !== undefined) throw refuse('a prefix must not have a zone');
    const bits = family === 'ipv4' ? 32 : 128;
    if (length !== undefined && (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > bits)) {
      throw refuse(`the length of an ${family === 'ipv4' ? 'IPv4' : 'IPv6'} prefix must be 0 to ${bits}`);
    }
    const bytes = encode(bare, family);
    if (family === 'ipv6' && isMapped(bytes, 0)) {
      throw refuse(`it is an IPv4 address; write it as ${readIPv4(bytes, 12)}`);
    }
    const first = toInteger(bytes);
    const prefix = new Prefix(
      family,
      first,
      length === undefined ? bits : Number(length),
      zone.map((part) => `%${part}`).join(''),
    );
    if (first % prefix.size !== 0n) {
      throw refuse(
        `it has bits set after its length; the prefix is ${format(first - (first % prefix.size), prefix.#bytes)}/${length ?? ''}`,
      );
    }
    if (prefix.size === 1n) {
      const why =
        first === 0n
          ? 'it is the unspecified address, which would leave the choice to the kernel'
          : isMulticast(bare)
            ? 'nothing can be sent from a multicast address'
            : undefined;
      if (why !== undefined) throw withReason(refuse(why), 'notUnicast');
    }
    return prefix;
  }

  /** The address at an index, from 0n to size - 1n. */
  at(index: bigint): string {
    return format(this.#first + index, this.#bytes) + this.#zone;
  }

  /** The index of an address; undefined if it is not one of these, or not an address. */
  indexOf(address: string): bigint | undefined {
    const [bare = '', zone] = address.split('%');
    if (this.family === 'ipv4' ? !isIPv4(bare) : !isIPv6(bare)) return undefined;
    if (this.#zone !== (zone === undefined ? '' : `%${zone}`)) return undefined;
    const index = toInteger(encode(bare, this.family)) - this.#first;
    return index >= 0n && index < this.size ? index : undefined;
  }

  /** Sorts prefixes of the same kind by their first address, the larger one first. */
  static compare(a: Prefix, b: Prefix): number {
    if (a.family !== b.family) return a.family < b.family ? -1 : 1;
    if (a.#zone !== b.#zone) return a.#zone < b.#zone ? -1 : 1;
    if (a.#first !== b.#first) return a.#first < b.#first ? -1 : 1;
    return a.size > b.size ? -1 : 1;
  }

  /** Is there an address in both? */
  overlaps(other: Prefix): boolean {
    return (
      this.family === other.family &&
      this.#zone === other.#zone &&
      this.#first < other.#first + other.size &&
      other.#first < this.#first + this.size
    );
  }
}

function encode(text: string, family: Family): Uint8Array {
  const bytes = new Uint8Array(family === 'ipv4' ? 4 : 16);
  if (family === 'ipv4') writeIPv4(text, bytes, 0);
  else writeIPv6(text, bytes, 0);
  return bytes;
}

function toInteger(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer);
  if (bytes.length === 4) return BigInt(view.getUint32(0));
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

/** The text of an address; `bytes` is a buffer of its size. */
function format(value: bigint, bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer);
  if (bytes.length === 4) {
    view.setUint32(0, Number(value));
    return readIPv4(bytes, 0);
  }
  view.setBigUint64(0, value >> 64n);
  view.setBigUint64(8, value & 0xffff_ffff_ffff_ffffn);
  return readIPv6(bytes, 0);
}
