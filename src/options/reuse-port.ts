// `reusePort` of listen and UdpSocket: share a port with other sockets (SO_REUSEPORT), and which of them gets a packet.
import { availableParallelism } from 'node:os';
import { integer, invalidType, invalidValue, oneOf, options as checkOptions } from '../arguments.js';
import { native } from '../binding.js';
import { check } from '../errors.js';
import { SOCK_DGRAM } from '../kernel/numbers.js';
import { familyNumber } from '../wire/families.js';
import { applyOptions, encodeOption } from './access.js';
import type { BpfInstruction } from './kinds/filter.js';
import { steerByCpu, steerByHash, steerRandomly } from './steering.js';

export interface ReusePort {
  /**
   * Which socket of the group gets a connection or a datagram: by the CPU that received the packet, at random, by the hash
   * that the network card has computed, or a program of your own (SO_ATTACH_REUSEPORT_CBPF). It applies to the whole group,
   * and the last one that is set wins. Sockets are numbered in the order in which they were bound; a number that the group
   * does not have falls back to the kernel's own hash.
   */
  readonly steering: 'cpu' | 'random' | 'hash' | readonly BpfInstruction[];
  /** How many sockets the group has, for 'cpu', 'random' and 'hash': 1 to 65535. @default os.availableParallelism() */
  readonly sockets?: number | undefined;
}

/**
 * The program of a `reusePort` option, which is checked; undefined when it has none.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 */
export function steeringOf(reusePort: unknown): readonly BpfInstruction[] | undefined {
  if (reusePort === undefined || typeof reusePort === 'boolean') return undefined;
  const name = 'options.reusePort';
  if (typeof reusePort !== 'object' || reusePort === null || Array.isArray(reusePort)) {
    throw invalidType(name, 'a boolean or { steering, sockets }', reusePort);
  }
  const { steering, sockets } = checkOptions(name, reusePort as ReusePort, ['steering', 'sockets']);
  if (Array.isArray(steering)) {
    if (sockets !== undefined) {
      throw invalidValue(
        `${name}.sockets`,
        sockets,
        "it only applies to 'cpu', 'random' and 'hash'; a program contains the number itself",
      );
    }
    const program = steering as readonly BpfInstruction[];
    encodeOption('SO_ATTACH_REUSEPORT_CBPF', program, `${name}.steering`); // a check
    return program;
  }
  const word = oneOf(`${name}.steering`, steering, ['cpu', 'random', 'hash'] as const);
  const count = integer(`${name}.sockets`, sockets ?? availableParallelism(), 1, 65535);
  return { cpu: steerByCpu, random: steerRandomly, hash: steerByHash }[word](count);
}

/**
 * Tries the program on another socket. On the socket itself it is set after bind or listen, when that has joined the
 * group: if it were refused only then, the socket would already take a part of the group's packets.
 * @throws SyscallError of setsockopt for a program that the kernel refuses
 */
export function requireAccepted(program: readonly BpfInstruction[] | undefined): void {
  if (program === undefined) return;
  const handle = new (native().Handle)();
  try {
    check('socket', handle.socket(familyNumber('ipv4'), SOCK_DGRAM, 0));
    applyOptions(handle, { SO_REUSEPORT: true, SO_ATTACH_REUSEPORT_CBPF: program });
  } finally {
    handle.close();
  }
}
