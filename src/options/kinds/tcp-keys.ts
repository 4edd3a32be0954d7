// Kinds of values that sign TCP segments: MD5 (RFC 2385, struct tcp_md5sig) and TCP-AO (RFC 5925, struct tcp_ao_*).
import { boolean, bytes as checkBytes, integer, invalidValue, options, string } from '../../arguments.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { struct, UINT32_MAX, unreadable, viewOf, type Codec } from './codec.js';
import { addressOf, optionalIndexOf, SOCKADDR_STORAGE_SIZE, type Interface } from './interface.js';

/** The MD5 key of a peer: struct tcp_md5sig. An empty key removes it. */
export interface Md5Key {
  /** The peer's address; on an IPv6 socket an IPv4 peer is '::ffff:192.0.2.1'. */
  readonly peer: string;
  /** At most 80 bytes; none removes the key. */
  readonly key: Uint8Array;
}

/** The MD5 key of all peers of a prefix, or behind an interface. */
export interface Md5PrefixKey extends Md5Key {
  /** Bits of `peer` that count. @default all of them */
  readonly prefixLength?: number;
  /** The VRF to which the key applies, Linux 5.6. @default any */
  readonly interface?: Interface;
}

/** A key of TCP-AO: struct tcp_ao_add. */
export interface AoKey {
  readonly peer: string;
  /** Bits of `peer` that count. */
  readonly prefixLength: number;
  /** As in /proc/crypto: 'hmac(sha1)', 'cmac(aes128)', … */
  readonly algorithm: string;
  /** At most 80 bytes. */
  readonly key: Uint8Array;
  /** SendID and RecvID, 0 to 255. */
  readonly sendId: number;
  readonly receiveId: number;
  /** Bytes of the code in each segment. @default 0: twelve */
  readonly macLength?: number;
  readonly interface?: Interface;
  /** TCP_AO_KEYF_EXCLUDE_OPT: do not sign the other TCP options. @default false */
  readonly excludeOptions?: boolean;
  /** Use it from now on. @default false */
  readonly setCurrent?: boolean;
  /** Ask the peer to use it. @default false */
  readonly setNext?: boolean;
}

/** Which key of TCP-AO to remove: struct tcp_ao_del. */
export interface AoKeyRemoval {
  readonly peer: string;
  readonly prefixLength: number;
  readonly sendId: number;
  readonly receiveId: number;
  readonly interface?: Interface;
  /** The key to use instead. */
  readonly current?: number;
  /** The key to ask the peer for instead. */
  readonly next?: number;
  /** Listeners only: do not wait until the key is no longer in use. @default false */
  readonly async?: boolean;
}

/** TCP-AO of one socket: struct tcp_ao_info_opt. */
export interface AoInfo {
  /** SendID of the key in use. */
  readonly current?: number;
  /** RecvID of the key that the peer is asked to use. */
  readonly next?: number;
  /** Accept no connection without TCP-AO. */
  readonly required: boolean;
  /** Let ICMP errors end the connection. */
  readonly acceptIcmps: boolean;
  readonly counters: AoCounters;
}

export interface AoCounters {
  readonly good: bigint;
  readonly bad: bigint;
  readonly keyNotFound: bigint;
  readonly required: bigint;
  readonly droppedIcmp: bigint;
}

/** The fields of AoInfo that can be set. */
export interface AoSettings {
  readonly current?: number;
  readonly next?: number;
  /** @default false */
  readonly required?: boolean;
  /** @default false */
  readonly acceptIcmps?: boolean;
}

/** Sequence numbers of TCP-AO, for TCP_REPAIR: struct tcp_ao_repair. */
export interface AoRepair {
  readonly sentIsn: number;
  readonly receivedIsn: number;
  /** Sequence number extensions. */
  readonly sentSne: number;
  readonly receivedSne: number;
}

export const md5Key: Codec<never, Md5Key> = {
  size: 216,
  decode: unreadable,
  encode: (value, name) => {
    const { peer, key } = options(name, value, ['peer', 'key']);
    return md5(peer, key, name);
  },
};

export const md5PrefixKey: Codec<never, Md5PrefixKey> = {
  size: 216,
  decode: unreadable,
  encode: (value, name) => {
    const {
      peer,
      key,
      prefixLength,
      interface: device,
    } = options(name, value, ['peer', 'key', 'prefixLength', 'interface']);
    const bytes = md5(peer, key, name);
    if (prefixLength !== undefined) {
      bytes[128] = MD5_FLAG_PREFIX;
      bytes[129] = prefixOf(peer, prefixLength, name);
    }
    if (device !== undefined) {
      bytes[128] = (bytes[128] ?? 0) | MD5_FLAG_IFINDEX;
      viewOf(bytes).setInt32(132, optionalIndexOf(device, `${name}.interface`), LITTLE_ENDIAN);
    }
    return bytes;
  },
};

export const aoKey: Codec<never, AoKey> = {
  size: 288,
  decode: unreadable,
  encode: (value, name) => {
    options(name, value, AO_KEY_FIELDS);
    const algorithm = encoder.encode(string(`${name}.algorithm`, value.algorithm));
    if (algorithm.length === 0 || algorithm.length > 63 || algorithm.includes(0)) {
      throw invalidValue(`${name}.algorithm`, value.algorithm, 'it must have 1 to 63 bytes');
    }
    return struct(288, (view, bytes) => {
      putAddress(value.peer, `${name}.peer`, bytes);
      bytes.set(algorithm, 128);
      view.setInt32(192, optionalIndexOf(value.interface, `${name}.interface`), LITTLE_ENDIAN);
      view.setUint32(196, bit(value, 'setCurrent', 0, name) | bit(value, 'setNext', 1, name), LITTLE_ENDIAN);
      bytes[202] = prefixOf(value.peer, value.prefixLength, name);
      bytes[203] = octet(value.sendId, `${name}.sendId`);
      bytes[204] = octet(value.receiveId, `${name}.receiveId`);
      bytes[205] = octet(value.macLength ?? 0, `${name}.macLength`);
      bytes[206] = (value.interface === undefined ? 0 : 1) | bit(value, 'excludeOptions', 1, name);
      bytes[207] = putKey(value.key, `${name}.key`, bytes, 208);
    });
  },
};

export const aoKeyRemoval: Codec<never, AoKeyRemoval> = {
  size: 144,
  decode: unreadable,
  encode: (value, name) => {
    options(name, value, AO_REMOVAL_FIELDS);
    return struct(144, (view, bytes) => {
      putAddress(value.peer, `${name}.peer`, bytes);
      view.setInt32(128, optionalIndexOf(value.interface, `${name}.interface`), LITTLE_ENDIAN);
      const flags = given(value.current, 0) | given(value.next, 1) | bit(value, 'async', 2, name);
      view.setUint32(132, flags, LITTLE_ENDIAN);
      bytes[138] = prefixOf(value.peer, value.prefixLength, name);
      bytes[139] = octet(value.sendId, `${name}.sendId`);
      bytes[140] = octet(value.receiveId, `${name}.receiveId`);
      bytes[141] = octet(value.current ?? 0, `${name}.current`);
      bytes[142] = octet(value.next ?? 0, `${name}.next`);
      bytes[143] = value.interface === undefined ? 0 : 1;
    });
  },
};

export const aoInfo: Codec<AoInfo, AoSettings> = {
  size: 48,
  decode: (value) => {
    const view = viewOf(value);
    const flags = view.getUint32(0, LITTLE_ENDIAN);
    const counter = (at: number): bigint => view.getBigUint64(at, LITTLE_ENDIAN);
    return {
      ...((flags & 1) !== 0 && { current: view.getUint8(6) }),
      ...((flags & 2) !== 0 && { next: view.getUint8(7) }),
      required: (flags & 4) !== 0,
      acceptIcmps: (flags & 16) !== 0,
      counters: {
        good: counter(8),
        bad: counter(16),
        keyNotFound: counter(24),
        required: counter(32),
        droppedIcmp: counter(40),
      },
    };
  },
  encode: (value, name) => {
    options(name, value, ['current', 'next', 'required', 'acceptIcmps']);
    return struct(48, (view, bytes) => {
      const flags = bit(value, 'required', 2, name) | bit(value, 'acceptIcmps', 4, name);
      view.setUint32(0, flags | given(value.current, 0) | given(value.next, 1), LITTLE_ENDIAN);
      bytes[6] = octet(value.current ?? 0, `${name}.current`);
      bytes[7] = octet(value.next ?? 0, `${name}.next`);
    });
  },
};

export const aoRepair: Codec<AoRepair, AoRepair> = {
  size: 16,
  decode: (value) => {
    const view = viewOf(value);
    return {
      sentIsn: view.getUint32(0),
      receivedIsn: view.getUint32(4),
      sentSne: view.getUint32(8, LITTLE_ENDIAN),
      receivedSne: view.getUint32(12, LITTLE_ENDIAN),
    };
  },
  encode: (value, name) => {
    options(name, value, AO_REPAIR_FIELDS);
    return struct(16, (view) => {
      AO_REPAIR_FIELDS.forEach((field, i) => {
        view.setUint32(4 * i, integer(`${name}.${field}`, value[field], 0, UINT32_MAX), i >= 2 && LITTLE_ENDIAN);
      });
    });
  },
};

function md5(peer: unknown, key: unknown, name: string): Uint8Array {
  return struct(216, (view, bytes) => {
    putAddress(peer, `${name}.peer`, bytes);
    view.setUint16(130, putKey(key, `${name}.key`, bytes, 136), LITTLE_ENDIAN);
  });
}

/** Puts the peer's sockaddr_storage at the start, where all of these structs have it. */
function putAddress(peer: unknown, name: string, bytes: Uint8Array): void {
  const endpoint = addressOf(peer, name);
  bytes.subarray(0, SOCKADDR_STORAGE_SIZE).set(endpoint.sockaddr());
}

function putKey(key: unknown, name: string, bytes: Uint8Array, at: number): number {
  const checked = checkBytes(name, key);
  integer(`${name}.length`, checked.length, 0, MAX_KEY);
  bytes.set(checked, at);
  return checked.length;
}

function prefixOf(peer: unknown, length: unknown, name: string): number {
  const { family, mapped } = addressOf(peer, `${name}.peer`);
  return integer(`${name}.prefixLength`, length, 0, family === 'ipv4' && !mapped ? 32 : 128);
}

function octet(value: unknown, name: string): number {
  return integer(name, value, 0, 255);
}

function bit<T extends object>(value: T, field: keyof T & string, position: number, name: string): number {
  return boolean(`${name}.${field}`, value[field] ?? false) ? 1 << position : 0;
}

function given(value: unknown, position: number): number {
  return value === undefined ? 0 : 1 << position;
}

const encoder = new TextEncoder();
/** TCP_MD5SIG_MAXKEYLEN, TCP_AO_MAXKEYLEN */
const MAX_KEY = 80;
const MD5_FLAG_PREFIX = 1;
const MD5_FLAG_IFINDEX = 2;
const AO_KEY_FIELDS = [
  'peer',
  'prefixLength',
  'algorithm',
  'key',
  'sendId',
  'receiveId',
  'macLength',
  'interface',
  'excludeOptions',
  'setCurrent',
  'setNext',
] as const satisfies readonly (keyof AoKey)[];
const AO_REMOVAL_FIELDS = [
  'peer',
  'prefixLength',
  'sendId',
  'receiveId',
  'interface',
  'current',
  'next',
  'async',
] as const satisfies readonly (keyof AoKeyRemoval)[];
const AO_REPAIR_FIELDS = ['sentIsn', 'receivedIsn', 'sentSne', 'receivedSne'] as const;
