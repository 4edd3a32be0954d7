// This machine's byte order: the kernel's structs are in it, but for what goes over the network.
import { endianness } from 'node:os';

export const LITTLE_ENDIAN: boolean = endianness() === 'LE';
