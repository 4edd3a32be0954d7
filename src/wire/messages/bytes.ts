// Encoding and decoding of control messages that are a single number or raw bytes.
import { bytes as checkBytes, integer } from '../../arguments.js';
import { LITTLE_ENDIAN } from '../byte-order.js';

/** One, two or four bytes: IP_TOS comes as one, IP_TTL as four. undefined for any other size. */
export function readInteger(data: Uint8Array): number | undefined {
  const view = viewOf(data);
  switch (data.length) {
    case 1:
      return view.getUint8(0);
    case 2:
      return view.getUint16(0, LITTLE_ENDIAN);
    case 4:
      return view.getInt32(0, LITTLE_ENDIAN);
    default:
      return undefined;
  }
}

export function readUint32(data: Uint8Array): number | undefined {
  return data.length === 4 ? viewOf(data).getUint32(0, LITTLE_ENDIAN) : undefined;
}

/** Network byte order. */
export function readUint32BigEndian(data: Uint8Array): number | undefined {
  return data.length === 4 ? viewOf(data).getUint32(0) : undefined;
}

export function readBytes(data: Uint8Array): Uint8Array {
  return data;
}

/** A writer of an int between two bounds. */
export function int32(min: number, max: number): (value: number, name: string) => Uint8Array {
  return (value, name) => {
    const data = new Uint8Array(4);
    viewOf(data).setInt32(0, integer(name, value, min, max), LITTLE_ENDIAN);
    return data;
  };
}

/** A writer of an unsigned int up to a bound. */
export function uint32(max = 0xffffffff, littleEndian = LITTLE_ENDIAN): (value: number, name: string) => Uint8Array {
  return (value, name) => {
    const data = new Uint8Array(4);
    viewOf(data).setUint32(0, integer(name, value, 0, max), littleEndian);
    return data;
  };
}

/** A writer of a u16: the kernel expects two bytes and fails with EINVAL for four. */
export function uint16(min: number): (value: number, name: string) => Uint8Array {
  return (value, name) => {
    const data = new Uint8Array(2);
    viewOf(data).setUint16(0, integer(name, value, min, 65535), LITTLE_ENDIAN);
    return data;
  };
}

export function writeBytes(value: Uint8Array, name: string): Uint8Array {
  return checkBytes(name, value);
}

export function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
