// An interface and an address, as several structs have them.
import { isIPv4 } from 'node:net';
import { integer, invalidType, invalidValue } from '../../arguments.js';
import { requireInterface } from '../../kernel/interfaces.js';
import { writeIPv4 } from '../../wire/address.js';
import { Endpoint } from '../../wire/endpoint.js';
import { INT32_MAX } from './codec.js';

/** A network interface: its name or its index, 0 for no particular one. */
export type Interface = string | number;

export function indexOf(value: unknown, name: string): number {
  if (typeof value === 'number') return integer(name, value, 0, INT32_MAX);
  if (typeof value !== 'string') throw invalidType(name, 'the name or index of a network interface', value);
  return requireInterface(value, name);
}

/** 0 if no interface is given. */
export function optionalIndexOf(value: unknown, name: string): number {
  return value === undefined ? 0 : indexOf(value, name);
}

/** Checks an IPv4 address and writes its four bytes. */
export function putIPv4(value: unknown, name: string, into: Uint8Array, offset: number): void {
  if (typeof value !== 'string') throw invalidType(name, 'an IPv4 address', value);
  if (!isIPv4(value)) throw invalidValue(name, value, 'it is not an IPv4 address');
  writeIPv4(value, into, offset);
}

/** Checks an IP address. */
export function addressOf(value: unknown, name: string): Endpoint {
  if (typeof value !== 'string') throw invalidType(name, 'an IP address', value);
  return Endpoint.from({ address: value, port: 0 }, name);
}

/** Checks an IPv6 address; IPv4-mapped addresses are accepted. */
export function ipv6Of(value: unknown, name: string): Endpoint {
  const endpoint = addressOf(value, name);
  if (endpoint.family === 'ipv4' && !endpoint.mapped) throw invalidValue(name, value, 'it is not an IPv6 address');
  return endpoint;
}

/** The sixteen bytes of an IPv6 address. */
export function putIPv6(endpoint: Endpoint, into: Uint8Array, offset: number): void {
  into.set(endpoint.sockaddr('ipv6').subarray(8, 24), offset);
}

/** struct sockaddr_storage's size. */
export const SOCKADDR_STORAGE_SIZE = 128;
