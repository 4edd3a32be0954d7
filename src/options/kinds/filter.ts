// Classic BPF programs: a list of instructions to an array of struct sock_filter (linux/filter.h), and back.
import { integer, invalidType, options, outOfRange } from '../../arguments.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { struct, UINT32_MAX, viewOf, type Codec } from './codec.js';

/** One instruction of classic BPF: struct sock_filter, Documentation/networking/filter.rst. */
export interface BpfInstruction {
  /** Operation code, 16 bits: BPF_LD | BPF_W | BPF_ABS is 0x20. */
  readonly code: number;
  /** Instructions to skip if the condition of a jump is true, 0 to 255. */
  readonly jt: number;
  /** Instructions to skip if it is false, 0 to 255. */
  readonly jf: number;
  /** Operand, unsigned 32 bits. */
  readonly k: number;
}

/** The program is passed by pointer (struct sock_fprog), hence through its own native call. */
export const filter: Codec<readonly BpfInstruction[], readonly BpfInstruction[]> = {
  size: 8 * 4096,
  decode: (value, length) => {
    const view = viewOf(value);
    return Array.from({ length: Math.floor(length / SIZE) }, (_, i) => ({
      code: view.getUint16(SIZE * i, LITTLE_ENDIAN),
      jt: view.getUint8(SIZE * i + 2),
      jf: view.getUint8(SIZE * i + 3),
      k: view.getUint32(SIZE * i + 4, LITTLE_ENDIAN),
    }));
  },
  encode: (value, name) => {
    if (!Array.isArray(value)) throw invalidType(name, 'an Array of instructions { code, jt, jf, k }', value);
    const program = value as readonly BpfInstruction[];
    if (program.length < 1 || program.length > MAX_INSTRUCTIONS) {
      throw outOfRange(`${name}.length`, `>= 1 and <= ${MAX_INSTRUCTIONS}`, program.length);
    }
    return struct(SIZE * program.length, (view) => {
      program.forEach((instruction, i) => {
        const { code, jt, jf, k } = options(`${name}[${i}]`, instruction, ['code', 'jt', 'jf', 'k']);
        view.setUint16(SIZE * i, integer(`${name}[${i}].code`, code, 0, 65535), LITTLE_ENDIAN);
        view.setUint8(SIZE * i + 2, integer(`${name}[${i}].jt`, jt, 0, 255));
        view.setUint8(SIZE * i + 3, integer(`${name}[${i}].jf`, jf, 0, 255));
        view.setUint32(SIZE * i + 4, integer(`${name}[${i}].k`, k, 0, UINT32_MAX), LITTLE_ENDIAN);
      });
    });
  },
  call: 'attachFilter',
};

/** sizeof(struct sock_filter) */
const SIZE = 8;
/** BPF_MAXINSNS */
const MAX_INSTRUCTIONS = 4096;
