// A socket's making as data: the system calls in their order, encoded into one arena, and run by one native call.
import type { Handle } from '../binding.js';
import { IPPROTO_TCP, TCP_INFO } from '../kernel/numbers.js';
import type { EncodedOption } from '../options/access.js';
import { TCP_INFO_PROOF_SIZE } from '../options/deferred.js';
import { SOCKADDR_SIZE } from '../wire/endpoint.js';
import { familyNumber, type Family } from '../wire/families.js';

/** One system call. The addresses of bind and connect are given before a run, since they are what varies. */
export type Step =
  | { readonly call: 'socket'; readonly family: Family; readonly type: number; readonly protocol: number }
  /** `tolerates`: a negative errno with which the recipe goes on, as if the option had not been asked for. */
  | { readonly call: 'setsockopt'; readonly option: EncodedOption; readonly tolerates?: number | undefined }
  | { readonly call: 'bind' }
  | { readonly call: 'connect' }
  | { readonly call: 'listen'; readonly backlog: number }
  /** Reads the local address back: `Recipe.name`. */
  | { readonly call: 'getsockname' }
  /** Reads TCP_INFO back: `Recipe.info`. */
  | { readonly call: 'getsockopt'; readonly option: 'TCP_INFO' };

/**
 * The steps that make one socket. A recipe is encoded once and may be run any number of times, each time for one socket: a
 * run writes its read-backs over those of the run before.
 */
export class Recipe {
  readonly steps: readonly Step[];
  /** The local address after a run with a getsockname step, in `nameLength` bytes. */
  readonly name: Uint8Array;
  /** The start of struct tcp_info after a run with a getsockopt step. */
  readonly info: Uint8Array;
  readonly #arena: Uint8Array;
  readonly #words: Int32Array;
  /** Where the words of a step begin, 0 for a step that the recipe has not. */
  readonly #bind: number;
  readonly #connect: number;
  readonly #name: number;
  readonly #info: number;
  #boundTo: Uint8Array | undefined;
  #connectedTo: Uint8Array | undefined;

  /** @param steps a socket step first, and at most one of bind, connect, getsockname and getsockopt each */
  constructor(steps: readonly Step[]) {
    this.steps = steps;
    const payload = HEADER_BYTES + steps.length * STEP_BYTES;
    this.#arena = new Uint8Array(align(payload + steps.reduce((sum, step) => sum + align(roomOf(step)), 0)));
    this.#words = new Int32Array(this.#arena.buffer);
    this.#words[0] = steps.length;
    let room = payload;
    for (const [i, step] of steps.entries()) {
      this.#encode(step, HEADER_WORDS + i * STEP_WORDS, room);
      room += align(roomOf(step));
    }
    this.#bind = this.#find('bind');
    this.#connect = this.#find('connect');
    this.#name = this.#find('getsockname');
    this.#info = this.#find('getsockopt');
    this.name = this.#memory(this.#name);
    this.info = this.#memory(this.#info);
  }

  /** Where the bind step binds to. @param sockaddr of the socket's family, which nobody writes to any more */
  bindTo(sockaddr: Uint8Array): void {
    if (sockaddr === this.#boundTo) return; // sockets in a row have the same
    this.#setAddress(this.#bind, sockaddr);
    this.#boundTo = sockaddr;
  }

  /** Where the connect step connects to. @param sockaddr of the socket's family, which nobody writes to any more */
  connectTo(sockaddr: Uint8Array): void {
    if (sockaddr === this.#connectedTo) return;
    this.#setAddress(this.#connect, sockaddr);
    this.#connectedTo = sockaddr;
  }

  /**
   * Makes the socket, in an empty Handle. 0, or the negative errno of the step that failed (`failed`): then the Handle is
   * empty as before.
   */
  run(handle: Handle): number {
    return handle.make(this.#arena);
  }

  /** The step that failed in the last run. */
  get failed(): Step | undefined {
    return this.steps[this.#words[1] ?? 0];
  }

  get nameLength(): number {
    return this.#result(this.#name);
  }

  get infoLength(): number {
    return this.#result(this.#info);
  }

  /** Of the last run: is the local address the one that the bind step asked for, whatever the port? */
  keptAddress(): boolean {
    const [offset, length] = [this.#words[this.#bind + OFFSET] ?? 0, this.#words[this.#bind + LENGTH] ?? 0];
    // sockaddr_in has its address at 4 to 7, sockaddr_in6 at 8 to 23.
    const [from, to] = length === SOCKADDR_SIZE ? [8, 24] : [4, 8];
    for (let i = from; i < to; i++) if (this.name[i] !== this.#arena[offset + i]) return false;
    return true;
  }

  #encode(step: Step, at: number, room: number): void {
    const words = this.#words;
    words[at + OFFSET] = room;
    words[at + LENGTH] = roomOf(step);
    switch (step.call) {
      case 'socket':
        words.set([CALLS.socket, familyNumber(step.family), step.type, step.protocol], at);
        break;
      case 'setsockopt': {
        const { level, name, value, call } = step.option;
        words[at + TOLERATED] = -(step.tolerates ?? 0);
        if (typeof value === 'number') {
          words.set([CALLS.setInt, level, name, value], at);
        } else {
          words.set([call === 'attachFilter' ? CALLS.attachFilter : CALLS.setBytes, level, name], at);
          this.#arena.set(value, room);
        }
        break;
      }
      case 'listen':
        words.set([CALLS.listen, step.backlog], at);
        break;
      case 'getsockopt':
        words.set([CALLS.getsockopt, IPPROTO_TCP, TCP_INFO], at);
        break;
      default:
        words[at] = CALLS[step.call];
    }
  }

  #find(call: Step['call']): number {
    const index = this.steps.findIndex((step) => step.call === call);
    return index === -1 ? 0 : HEADER_WORDS + index * STEP_WORDS;
  }

  #memory(step: number): Uint8Array {
    if (step === 0) return NOTHING;
    const offset = this.#words[step + OFFSET] ?? 0;
    return this.#arena.subarray(offset, offset + (this.#words[step + LENGTH] ?? 0));
  }

  #setAddress(step: number, sockaddr: Uint8Array): void {
    this.#arena.set(sockaddr, this.#words[step + OFFSET]);
    this.#words[step + LENGTH] = sockaddr.length;
  }

  #result(step: number): number {
    return this.#words[step + RESULT] ?? 0;
  }
}

/** Bytes of the arena that a step needs beside its words. */
function roomOf(step: Step): number {
  switch (step.call) {
    case 'bind':
    case 'connect':
    case 'getsockname':
      return SOCKADDR_SIZE;
    case 'getsockopt':
      return TCP_INFO_PROOF_SIZE;
    case 'setsockopt':
      return typeof step.option.value === 'number' ? 0 : step.option.value.length;
    default:
      return 0;
  }
}

function align(bytes: number): number {
  return (bytes + 3) & ~3;
}

const NOTHING = new Uint8Array(0);

// The arena as native/recipe.h has it: RecipeHeader (steps, failed), then a Step of eight words each, then memory.
const HEADER_WORDS = 2;
const STEP_WORDS = 8;
const HEADER_BYTES = HEADER_WORDS * 4;
const STEP_BYTES = STEP_WORDS * 4;
const OFFSET = 4;
const LENGTH = 5;
const TOLERATED = 6;
const RESULT = 7;

/** enum class Call of native/recipe.h. */
const CALLS = {
  socket: 1,
  setInt: 2,
  setBytes: 3,
  attachFilter: 4,
  bind: 5,
  connect: 6,
  listen: 7,
  getsockname: 8,
  getsockopt: 9,
} as const;
