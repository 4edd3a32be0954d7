// The addon itself: an input is a program of calls with hostile arguments on a few Handles, Polls and free functions. Only on
// descriptors that the program owns, never 0 to 2, and only on IPv4 and IPv6 sockets: the file system and other kernel subsystems
// lie outside the network namespace.
/* global setImmediate, structuredClone */
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { native } from '../../lib/binding.js';
import { must } from '../support/check.mjs';
import { Reader } from '../support/reader.mjs';
import { detached, hostileNumber, hostileValue, shrunk, THROWN } from '../support/values.mjs';

/** @typedef {'domain' | 'int' | 'fd' | 'address' | 'bytes' | 'result' | 'program' | 'value' | 'buffers' | 'handle' | 'name' | 'few' | 'beside' | 'records' | 'slots' | 'recipe'} Kind */
/** @typedef {(...args: unknown[]) => unknown} Callable */
/** @typedef {import('../../lib/binding.js').Handle} Handle */

const addon = native();
const MARGIN = 64;
const FILL = 0xa5;
const SO_LINGER = 13;

/** @type {readonly [owner: 'handle' | 'poll' | 'free', method: string, parameters: readonly Kind[]][]} */
const CALLS = [
  ['handle', 'socket', ['domain', 'int', 'int']],
  ['handle', 'adopt', []],
  ['handle', 'duplicate', ['fd']],
  ['handle', 'dup3', []],
  ['handle', 'fd', []],
  ['handle', 'detach', []],
  ['handle', 'close', []],
  ['handle', 'bind', ['address']],
  ['handle', 'connect', ['address']],
  ['handle', 'listen', ['int']],
  ['handle', 'accept', ['handle', 'address']],
  ['handle', 'shutdown', ['int']],
  ['handle', 'getsockname', ['address']],
  ['handle', 'getpeername', ['address']],
  ['handle', 'setsockopt', ['int', 'int', 'value']],
  ['handle', 'getsockopt', ['int', 'int', 'bytes']],
  ['handle', 'attachFilter', ['int', 'int', 'program']],
  ['handle', 'sendmsg', ['buffers', 'address', 'bytes', 'int']],
  ['handle', 'recvmsg', ['buffers', 'address', 'bytes', 'int', 'result']],
  ['handle', 'recvmmsg', ['few', 'bytes', 'bytes', 'bytes', 'slots']],
  ['handle', 'sendto', ['bytes', 'beside', 'few', 'few', 'few']],
  ['handle', 'sendmmsg', ['bytes', 'beside', 'records', 'few', 'few']],
  ['poll', 'open', ['handle']],
  ['poll', 'start', ['int']],
  ['poll', 'stop', []],
  ['poll', 'keepAlive', ['int']],
  ['poll', 'close', []],
  ['free', 'setsockopt', ['fd', 'int', 'int', 'value']],
  ['free', 'getsockopt', ['fd', 'int', 'int', 'bytes']],
  ['free', 'attachFilter', ['fd', 'int', 'int', 'program']],
  ['free', 'getsockname', ['fd', 'address']],
  ['free', 'ifNameToIndex', ['name']],
  ['free', 'ifIndexToName', ['int', 'bytes']],
  ['handle', 'make', ['recipe']],
];
/** Calls of a recipe, as in native/recipe.h. */
const SOCKET = 1;
const SET_OPTION = [2, 3];
const LAST_CALL = 9;
/** Usual arguments, so that programs get beyond EINVAL: levels, options, flags, types. */
const INTS = [
  0, 1, 2, 3, 6, 15, 17, 41, 26, 50, 51, 52, 58, 60, 132, 255, 0x40, 0x20, 0x2000, 0x4000000, 0x20000000, -1,
];
const SIZES = [0, 1, 4, 8, 12, 16, 28, 32, 128, 1024];

export const seeds = CALLS.flatMap((_, call) => [
  Uint8Array.of(call, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
  Uint8Array.of(7, 0, 1, 0, 4, 0, 1, 0, call, 1, 1, 2, 1, 3, 1, 4, call, 0, 0, 6, 0, 7, 0, 8),
]);

class Program {
  /** @type {Set<string>} */
  features = new Set();
  #reader;
  /** @type {{ memory: Uint8Array, start: number, end: number }[]} */
  #views = [];
  #handles = [new addon.Handle(), new addon.Handle(), new addon.Handle(), new addon.Handle()];
  #polls = [new addon.Poll(() => undefined), new addon.Poll(() => this.#handles[1]?.close())];

  /** @param {Reader} reader */
  constructor(reader) {
    this.#reader = reader;
    this.#handles[0]?.socket(2, 2, 0);
    this.#handles[1]?.socket(2, 1, 0);
    this.#handles[2]?.socket(10, 2, 0);
  }

  async run() {
    try {
      for (let left = 24; left > 0 && !this.#reader.done; left--) {
        this.#step();
        if (this.#reader.byte() === 7) await turn();
      }
    } finally {
      for (const poll of this.#polls) poll.close();
      for (const handle of this.#handles) handle.close();
    }
  }

  #step() {
    const reader = this.#reader;
    const [owner, method, parameters] = reader.pick(CALLS);
    const handle = reader.pick(this.#handles);
    const target = owner === 'handle' ? handle : owner === 'poll' ? reader.pick(this.#polls) : addon;
    const wrongReceiver = reader.byte() === 250;
    const receiver = wrongReceiver && owner !== 'free' ? hostileValue(reader) : target;
    if (method === 'adopt') return this.#adopt(handle);
    if (method === 'dup3') return this.#dup3(handle);
    this.#views = [];
    const args = parameters.map((kind) => this.#argument(kind));
    if (reader.byte() === 251) args.pop();
    const option = args.slice(owner === 'free' ? 1 : 0);
    // A lingering close would block.
    if (method === 'setsockopt' && option[0] === 1 && option[1] === SO_LINGER) return;
    const result = this.#call(
      /** @type {Record<string, Callable>} */ (/** @type {unknown} */ (target)),
      method,
      receiver,
      args,
    );
    for (const { memory, start, end } of this.#views) {
      const outside = memory.every((byte, at) => byte === FILL || (at >= start && at < end));
      must(outside, `${method} writes nothing outside of a view`, memory);
    }
    if (method === 'fd' && receiver === handle)
      must(result === -1 || Number(result) > 2, 'no Handle owns 0 to 2', result);
    if (method === 'detach' && typeof result === 'number' && result >= 0) {
      must(result > 2, 'no Handle owns 0 to 2', result);
      closeSync(result);
    }
  }

  /**
   * @param {Record<string, Callable>} target
   * @param {string} method
   * @param {unknown} receiver
   * @param {unknown[]} args
   */
  #call(target, method, receiver, args) {
    try {
      const result = target[method]?.apply(receiver, args);
      must(Number.isInteger(result) && Number(result) >= -4095, `${method} gives a whole number or -errno`, result);
      this.features.add(`${method} ${Number(result) < 0 ? String(result) : 'done'}`);
      return result;
    } catch (error) {
      if (error === THROWN) return undefined;
      const { code, message } = /** @type {Error & { code?: unknown }} */ (error);
      const refused =
        error instanceof TypeError &&
        (typeof code === 'string' || (receiver !== target && /Illegal invocation|Invalid argument/.test(message)));
      if (!refused) throw error;
      this.features.add(`${method} ${String(code)} ${message}`);
      return undefined;
    }
  }

  /** Adopts only descriptors that the program owns. @param {Handle} handle */
  #adopt(handle) {
    const from = this.#reader.pick(this.#handles);
    if (from === handle) return;
    const fd = from.detach();
    if (fd < 0) return;
    const result = handle.adopt(fd);
    this.features.add(`adopt ${result}`);
    if (result < 0) closeSync(fd);
  }

  /** @param {Handle} handle */
  #dup3(handle) {
    const fd = openSync('/dev/null', 'r');
    this.features.add(`dup3 ${Math.min(handle.dup3(fd), 0)}`);
    closeSync(fd);
    const never = this.#reader.pick([-1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, NaN, 0.5, '1', null, undefined, {}, 1n]);
    this.#call(/** @type {never} */ (handle), 'dup3', handle, [never]);
  }

  /** @param {Kind} kind @returns {unknown} */
  #argument(kind) {
    const reader = this.#reader;
    const choice = reader.byte();
    if (choice >= 224) return this.#hostile(kind);
    switch (kind) {
      case 'domain':
        return choice % 2 === 0 ? 2 : 10;
      case 'int':
        return choice % 4 === 0 ? reader.int32() : choice % 4 === 1 ? reader.byte() : reader.pick(INTS);
      case 'fd':
        return reader.pick(this.#handles).fd();
      case 'handle':
        return reader.pick(this.#handles);
      case 'address':
        return choice % 4 === 0 ? this.#bytes(reader.pick(SIZES)) : this.#loopback(reader.byte() % 2 === 0);
      case 'few': // counts, offsets and lengths of a few records or slots, or of an address
        return choice % 8 === 0 ? reader.int32() : choice % 8 === 1 ? reader.pick(SIZES) : reader.below(6);
      case 'beside':
        return this.#beside();
      case 'records':
        return this.#records(choice);
      case 'slots':
        return this.#bytes(choice % 8 === 0 ? reader.pick(SIZES) : 16 * reader.below(6));
      case 'recipe':
        return this.#recipe(choice);
      case 'result':
        return this.#bytes(choice % 8 === 0 ? reader.pick(SIZES) : 12);
      case 'program':
        return this.#bytes(choice % 8 === 0 ? reader.below(40000) : 8 * reader.below(6));
      case 'value':
        return choice % 2 === 0 ? reader.int32() : this.#bytes(reader.pick(SIZES));
      case 'name':
        return choice % 2 === 0 ? Buffer.from('lo\0') : this.#bytes(reader.below(40));
      case 'bytes':
        return this.#bytes(choice % 2 === 0 ? 0 : reader.pick(SIZES));
      case 'buffers':
        return Array.from({ length: choice % 16 === 0 ? 1024 : reader.below(4) }, () =>
          this.#bytes(reader.pick(SIZES)),
        );
    }
  }

  /** Never a number that could be a descriptor of something else, and no domain but IPv4 and IPv6. @param {Kind} kind @returns {unknown} */
  #hostile(kind) {
    const reader = this.#reader;
    const value = reader.byte() % 4 === 0 ? hostileNumber(reader) : hostileValue(reader);
    if (
      (kind === 'fd' || kind === 'domain') &&
      Number.isInteger(value) &&
      Number(value) >= 0 &&
      Number(value) <= 2 ** 20
    ) {
      return -1;
    }
    if (kind === 'recipe') return value instanceof Uint8Array ? null : value; // it could name any domain
    if (kind !== 'buffers') return value;
    const bytes = this.#bytes(16);
    switch (reader.below(6)) {
      case 0:
        return [bytes, value];
      case 1:
        return [bytes, detached(8), shrunk(8)];
      case 2: // a getter that detaches the buffer of the element before it
        return Object.defineProperty([new Uint8Array(4096), bytes], 1, {
          get() {
            const [first] = /** @type {Uint8Array<ArrayBuffer>[]} */ (this);
            if (first !== undefined && first.length > 0) structuredClone(first.buffer, { transfer: [first.buffer] });
            return bytes;
          },
        });
      case 3: // one that closes the socket
        return Object.defineProperty([bytes], 0, {
          get: () => {
            for (const handle of this.#handles) handle.close();
            return bytes;
          },
        });
      case 4: // one that shortens the list
        return Object.defineProperty([bytes, bytes, bytes], 0, {
          get() {
            /** @type {unknown[]} */ (this).length = 1;
            return bytes;
          },
        });
      default:
        return value;
    }
  }

  /** A view with known bytes on both sides. @param {number} size */
  #bytes(size) {
    const memory = new Uint8Array(size + 2 * MARGIN).fill(FILL);
    const view = memory.subarray(MARGIN, MARGIN + size);
    view.set(this.#reader.bytes(Math.min(size, 64)));
    this.#views.push({ memory, start: MARGIN, end: MARGIN + size });
    return view;
  }

  /** An address followed by a control message, as sendto and sendmmsg take them. */
  #beside() {
    const view = this.#bytes(64);
    view.set(this.#loopback(true));
    const control = new DataView(view.buffer, view.byteOffset + 32, 32);
    control.setUint32(0, this.#reader.pick([18, 20, 16, 24, 32, 0, 15, 0xffffffff]), true);
    control.setUint32(8, this.#reader.pick([17, 0, 41, 1]), true);
    control.setUint32(12, this.#reader.pick([103, 2, 1, 8, 36, 61]), true);
    control.setUint32(16, this.#reader.byte(), true);
    return view;
  }

  /** Records of sendmmsg, with valid and invalid places of data, address and control messages. @param {number} choice */
  #records(choice) {
    const reader = this.#reader;
    const count = reader.below(choice % 16 === 0 ? 80 : 6);
    const view = this.#bytes(32 * count + (choice % 8 === 1 ? reader.below(32) : 0));
    const words = new DataView(view.buffer, view.byteOffset, view.length);
    for (let at = 0; at + 32 <= view.length; at += 32) {
      const usual = [0, reader.pick([0, 1, 4, 8, 28]), 0, reader.pick([16, 0]), 32, reader.pick([0, 24]), 0, 0];
      usual.forEach((word, i) => words.setUint32(at + 4 * i, word, true));
      const odd = reader.byte();
      if (odd >= 128) words.setUint32(at + 4 * (odd % 8), hostileNumber(reader) >>> 0, true);
    }
    return view;
  }

  /** A recipe, or nearly one: a socket, some steps, and an address after them. @param {number} choice */
  #recipe(choice) {
    const reader = this.#reader;
    const count = 1 + reader.below(choice % 16 === 0 ? 300 : 6);
    const behind = 8 + 32 * count;
    const view = this.#bytes(behind + 32);
    view.fill(0);
    view.set(this.#loopback(true), behind);
    const words = new DataView(view.buffer, view.byteOffset, view.length);
    words.setUint32(0, choice % 16 === 1 ? hostileNumber(reader) >>> 0 : count, true);
    for (let i = 0; i < count; i++) {
      const call = i === 0 ? SOCKET : 2 + reader.below(LAST_CALL - 1);
      const [a, b, c] =
        i === 0 ? [reader.pick([2, 10]), reader.pick([1, 2]), 0] : [0, 1, 2].map(() => reader.pick(INTS));
      const usual = [call, a, b, c, behind, reader.pick([16, 28, 4, 0]), reader.pick([0, 0, 92, 99, 22]), 0];
      usual.forEach((word, at) => words.setInt32(8 + 32 * i + 4 * at, Number(word), true));
      const odd = reader.byte();
      // Not the domain, which stays the internet's.
      const at = odd % 8;
      if (odd >= 128 && at !== 1) words.setUint32(8 + 32 * i + 4 * at, hostileNumber(reader) >>> 0, true);
      // A lingering close would block.
      if (SET_OPTION.includes(words.getUint32(8 + 32 * i, true)) && words.getInt32(16 + 32 * i, true) === SO_LINGER) {
        words.setInt32(16 + 32 * i, 0, true);
      }
    }
    return view;
  }

  /** One of a few ports, so that sockets meet. @param {boolean} ipv4 */
  #loopback(ipv4) {
    const view = this.#bytes(ipv4 ? 16 : 28);
    view.fill(0);
    view.set([ipv4 ? 2 : 10, 0, 100, this.#reader.below(4)]);
    if (ipv4) view.set([127, 0, 0, 1], 4);
    else view[23] = 1;
    return view;
  }
}

let inputs = 0;
let openBefore = -1;

/** @param {Uint8Array} input @returns {Promise<Iterable<string>>} what the calls returned, since V8 does not count the addon's branches */
export async function run(input) {
  if (openBefore === -1) {
    await warmUp();
    openBefore = open();
  }
  const program = new Program(new Reader(input));
  await program.run();
  if (++inputs % 64 === 0) await turn(); // libuv frees what was closed
  if (open() !== openBefore) {
    const leaked = names();
    openBefore = open(); // so that it is reported once
    must(false, 'every descriptor is closed', leaked);
  }
  return program.features;
}

/** Opens what the process opens only once. */
async function warmUp() {
  const handle = new addon.Handle();
  const poll = new addon.Poll(() => undefined);
  handle.socket(2, 2, 0);
  poll.open(handle);
  poll.start(1);
  await turn();
  poll.close();
  handle.close();
  await turn();
}

function names() {
  return readdirSync('/proc/self/fd').map((fd) => {
    try {
      return `${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`;
    } catch {
      return fd; // readdir's own, closed by now
    }
  });
}

function open() {
  return readdirSync('/proc/self/fd').length;
}

function turn() {
  return new Promise((resolve) => setImmediate(resolve));
}
