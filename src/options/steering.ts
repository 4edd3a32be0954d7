// Classic BPF programs for SO_ATTACH_REUSEPORT_CBPF that select the socket of a reuseport group for a packet. Programs keep
// no state between packets, so there is no round-robin.
import { integer } from '../arguments.js';
import { native } from '../binding.js';
import type { BpfInstruction } from './kinds/filter.js';

/**
 * Steers by the CPU that received the packet: socket `cpu % sockets` of the group, in the order in which they were bound.
 * One process per CPU, each bound in the order of its CPU, then never touches the others' cache.
 *
 * `setOption(socket, 'SO_ATTACH_REUSEPORT_CBPF', steerByCpu(4))` on any one socket of the group.
 * @param sockets how many sockets the group has, 1 to 65535
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE
 */
export function steerByCpu(sockets: number): readonly BpfInstruction[] {
  return steerBy(SKF_AD_CPU, sockets);
}

/**
 * Steers at random, every packet anew: for datagrams that have nothing to do with each other.
 * @param sockets how many sockets the group has, 1 to 65535
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE
 */
export function steerRandomly(sockets: number): readonly BpfInstruction[] {
  return steerBy(SKF_AD_RANDOM, sockets);
}

/**
 * Steers by the hash that the network card (or RPS) has computed of the flow: socket `hash % sockets`. A packet without
 * one goes to the first socket, so look at `ethtool -n` first; without any program the kernel hashes the flow by itself.
 * @param sockets how many sockets the group has, 1 to 65535
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE
 */
export function steerByHash(sockets: number): readonly BpfInstruction[] {
  return steerBy(SKF_AD_RXHASH, sockets);
}

function steerBy(what: number, sockets: number): readonly BpfInstruction[] {
  native(); // throws on other platforms
  return [
    { code: BPF_LD_W_ABS, jt: 0, jf: 0, k: what },
    { code: BPF_ALU_MOD_K, jt: 0, jf: 0, k: integer('sockets', sockets, 1, 65535) },
    { code: BPF_RET_A, jt: 0, jf: 0, k: 0 },
  ];
}

// linux/bpf_common.h
const BPF_LD_W_ABS = 0x20;
const BPF_ALU_MOD_K = 0x94;
const BPF_RET_A = 0x16;
// linux/filter.h: what the kernel knows of a packet lies at SKF_AD_OFF, -4096.
const SKF_AD_OFF = 2 ** 32 - 0x1000;
const SKF_AD_RXHASH = SKF_AD_OFF + 32;
const SKF_AD_CPU = SKF_AD_OFF + 36;
const SKF_AD_RANDOM = SKF_AD_OFF + 56;
