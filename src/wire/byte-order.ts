// The native byte order, used by the kernel's structs except for what goes over the network.
import { endianness } from 'node:os';

export const LITTLE_ENDIAN: boolean = endianness() === 'LE';
