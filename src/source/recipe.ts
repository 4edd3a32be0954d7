// Recipe: the system calls that create a socket, encoded into one arena and run by one native call.
import type { Handle } from '../binding.js';
import { IPPROTO_TCP, TCP_INFO } from '../kernel/numbers.js';
import type { EncodedOption } from '../options/access.js';
import { TCP_INFO_PROOF_SIZE } from '../options/deferred.js';
import { SOCKADDR_SIZE, type Endpoint } from '../wire/endpoint.js';
import { portIn } from '../wire/same-address.js';
import { familyNumber, type Family } from '../wire/families.js';

/** One system call. The addresses of bind and connect are set before each run. */
export type Step =
  | { readonly call: 'socket'; readonly family: Family; readonly type: number; readonly protocol: number }
  /** `tolerates`: a negative errno that is ignored, as if the option had not been requested. */
  | { readonly call: 'setsockopt'; readonly option: EncodedOption; readonly tolerates?: number | undefined }
  | { readonly call: 'bind' }
  | { readonly call: 'connect' }
  | { readonly call: 'listen'; readonly backlog: number }
  /** Reads the local address into `Recipe.name`. */
  | { readonly call: 'getsockname' }
  /** Reads TCP_INFO into `Recipe.info`. */
  | { readonly call: 'getsockopt'; readonly option: 'TCP_INFO' };

/**
 * The steps that create a socket. A recipe is encoded once and may be run any number of times, for one socket each; a run
 * overwrites the values read by the previous one.
 */
export class Recipe {
  readonly steps: readonly Step[];
  /** The local address after a run with a getsockname step, in `nameLength` bytes. */
  readonly name: Uint8Array;
  /** The start of struct tcp_info after a run with a getsockopt step. */
  readonly info: Uint8Array;
  readonly #arena: Uint8Array;
  readonly #words: Int32Array;
  /** The offset of each step's words; 0 if the recipe does not have the step. */
  readonly #bind: number;
  readonly #connect: number;
  readonly #name: number;
  readonly #info: number;
  #boundTo: Uint8Array | undefined;
  #connectedTo: Endpoint | undefined;

  /** @param steps a socket step first, and at most one each of bind, connect, getsockname and getsockopt */
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

  /** Sets the address of the bind step. @param sockaddr of the socket's family; must not change afterwards */
  bindTo(sockaddr: Uint8Array): void {
    if (sockaddr === this.#boundTo) return; // consecutive sockets often have the same
    this.#setAddress(this.#bind, sockaddr);
    this.#boundTo = sockaddr;
  }

  /** Sets the address of the connect step. The encoded address is not kept: each destination may be used only once. */
  connectTo(remote: Endpoint, family: Family): void {
    if (remote === this.#connectedTo) return;
    this.#setAddress(this.#connect, remote.transientSockaddr(family));
    this.#connectedTo = remote;
  }

  /**
   * Creates the socket in an empty Handle. Returns 0, or the negative errno of the failed step (`failed`), after which the
   * Handle is still empty.
   */
  run(handle: Handle): number {
    return handle.make(this.#arena);
  }

  /** The port in `name`. */
  get port(): number {
    return portIn(this.name);
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

  /** Whether the last run got the local address of the bind step, ignoring the port. */
  keptAddress(): boolean {
    const [offset, length] = [this.#words[this.#bind + OFFSET] ?? 0, this.#words[this.#bind + LENGTH] ?? 0];
    // The address is at bytes 4 to 7 of sockaddr_in, and 8 to 23 of sockaddr_in6.
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

/** Bytes of the arena that a step needs in addition to its words. */
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

// The layout of the arena, as in native/recipe.h: RecipeHeader (steps, failed), then a Step of eight words each, then memory.
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
