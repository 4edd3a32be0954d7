// Metadata: the fields of the control messages of a batch, in one flat array of integers. Those of a datagram are parsed
// once, on first access. Numbers are copied; addresses and times stay in place, and their offsets are stored.
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { RESULT_WORDS, type Arena } from './arena.js';
import {
  IP_ORIGDSTADDR,
  IP_PKTINFO,
  IP_TOS,
  IP_TTL,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_HOPLIMIT,
  IPV6_PKTINFO,
  IPV6_TCLASS,
  SO_MARK,
  SOL_SOCKET,
  UDP_GRO,
} from '../../kernel/numbers.js';
import { CMSG_HEADER } from '../../wire/control.js';
import { OPTIONS } from '../../options/table.js';

/** The fields of a datagram, as indices. A field that the kernel did not report is ABSENT. */
export const SEGMENT_SIZE = 0;
export const TOS = 1;
export const TTL = 2;
export const INTERFACE = 3;
/** Byte offsets in the arena's control messages: of ipi_spec_dst, which ipi_addr follows; of ipi6_addr. */
export const PACKET_INFO_4 = 4;
export const PACKET_INFO_6 = 5;
export const ORIGINAL_DESTINATION = 6;
export const TIMESTAMP = 7;
/** uint32 in an int32. */
export const DROPS = 8;
export const MARK = 9;
/** Whether DROPS and MARK are present: their values use all 32 bits, so they cannot be ABSENT. */
export const PRESENT = 10;
export const HAS_DROPS = 1;
export const HAS_MARK = 2;

export const ABSENT = -1;
const FIELDS = 11;

export class Metadata {
  readonly #fields: Int32Array;
  /** The round in which a slot was parsed, so that nothing has to be cleared between batches. */
  readonly #walked: Uint32Array;
  #round = 0;

  constructor(slots: number) {
    this.#fields = new Int32Array(FIELDS * slots);
    this.#walked = new Uint32Array(slots);
  }

  /** Invalidates all fields, after the arena has been filled again. */
  next(): void {
    this.#round = (this.#round + 1) >>> 0;
    if (this.#round === 0) {
      this.#walked.fill(0);
      this.#round = 1;
    }
  }

  get(arena: Arena, slot: number, field: number): number {
    if (this.#walked[slot] !== this.#round) this.#walk(arena, slot);
    return this.#fields[FIELDS * slot + field] ?? 0;
  }

  #walk(arena: Arena, slot: number): void {
    this.#walked[slot] = this.#round;
    const fields = this.#fields;
    const first = FIELDS * slot;
    fields.fill(ABSENT, first, first + PRESENT);
    fields[first + PRESENT] = 0;
    const { controlWords: words, control } = arena;
    const start = slot * arena.shape.controlSize;
    const end = start + (arena.resultWords[RESULT_WORDS * slot + 2] ?? 0);
    // struct cmsghdr on 64 bits: size_t length, int level, int type; then the data, and the next at a multiple of 8.
    for (let at = start; at + CMSG_HEADER <= end;) {
      const word = at >> 2;
      const size = words[word + LENGTH_WORD] ?? 0;
      if (size < CMSG_HEADER || at + size > end) break;
      const data = at + CMSG_HEADER;
      const value = words[word + 4] ?? 0;
      const kind = ((words[word + 2] ?? 0) << 16) | (words[word + 3] ?? 0);
      // The kernel truncates a message at the end of the space; what follows belongs to another slot, or to an earlier batch.
      if (at + size === end && size < CMSG_HEADER + dataLength(kind)) break;
      switch (kind) {
        case GRO_KIND:
          fields[first + SEGMENT_SIZE] = value;
          break;
        case IP_TOS:
          fields[first + TOS] = control[data] ?? 0; // one byte, and the traffic class is four
          break;
        case IPV6_TCLASS_KIND:
          fields[first + TOS] = value;
          break;
        case IP_TTL:
        case IPV6_HOPLIMIT_KIND:
          fields[first + TTL] = value;
          break;
        case IP_PKTINFO:
          fields[first + INTERFACE] = value;
          fields[first + PACKET_INFO_4] = data + 4;
          break;
        case IPV6_PKTINFO_KIND:
          fields[first + INTERFACE] = words[word + 8] ?? 0;
          fields[first + PACKET_INFO_6] = data;
          break;
        case IP_ORIGDSTADDR:
        case IPV6_ORIGDSTADDR_KIND:
          fields[first + ORIGINAL_DESTINATION] = data;
          break;
        case SCM_TIMESTAMPNS:
          fields[first + TIMESTAMP] = data;
          break;
        case DROPS_KIND:
          fields[first + DROPS] = value;
          fields[first + PRESENT] = (fields[first + PRESENT] ?? 0) | HAS_DROPS;
          break;
        case MARK_KIND:
          fields[first + MARK] = value;
          fields[first + PRESENT] = (fields[first + PRESENT] ?? 0) | HAS_MARK;
          break;
      }
      at += (size + 7) & ~7;
    }
  }
}

/** Bytes of data in a complete message of each kind. */
function dataLength(kind: number): number {
  switch (kind) {
    case IP_TOS:
      return 1;
    case IP_PKTINFO:
      return 12;
    case IPV6_PKTINFO_KIND:
      return 20;
    case IP_ORIGDSTADDR:
    case SCM_TIMESTAMPNS:
      return 16;
    case IPV6_ORIGDSTADDR_KIND:
      return 28;
    default:
      return 4;
  }
}

/** The low half of a size_t. */
const LENGTH_WORD = LITTLE_ENDIAN ? 0 : 1;

// level << 16 | type
const SCM_TIMESTAMPNS = (SOL_SOCKET << 16) | OPTIONS.SO_TIMESTAMPNS.name;
const MARK_KIND = (SOL_SOCKET << 16) | SO_MARK;
const DROPS_KIND = (SOL_SOCKET << 16) | OPTIONS.SO_RXQ_OVFL.name;
const GRO_KIND = (IPPROTO_UDP << 16) | UDP_GRO;
const IPV6_PKTINFO_KIND = (IPPROTO_IPV6 << 16) | IPV6_PKTINFO;
const IPV6_HOPLIMIT_KIND = (IPPROTO_IPV6 << 16) | IPV6_HOPLIMIT;
const IPV6_TCLASS_KIND = (IPPROTO_IPV6 << 16) | IPV6_TCLASS;
const IPV6_ORIGDSTADDR_KIND = (IPPROTO_IPV6 << 16) | OPTIONS.IPV6_RECVORIGDSTADDR.name;
