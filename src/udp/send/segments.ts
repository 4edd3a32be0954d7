// How data is cut: into datagrams of a segment's size, and those into messages that the kernel takes with UDP_SEGMENT.
// Numbers only; everything here is decided before the kernel is called.

/** Bytes of a segment: what UDP_SEGMENT, a uint16, can say. */
export const MAX_SEGMENT_SIZE = 65535;

/** Segments that one message may have (UDP_MAX_SEGMENTS): 128, also in 6.1.176; older kernels had 64. */
export const MAX_SEGMENTS = 128;
export const MAX_SEGMENTS_OLD = 64;

/** Bytes of data that one UDP datagram, and so one message, can have at most. */
export function payloadLimit(ipv4: boolean): number {
  return ipv4 ? 65507 : 65527;
}

/** Whether data goes as one message. The last segment may be shorter than the others, so there may be one more. */
export function fitsOneMessage(length: number, segmentSize: number, maxSegments: number, maxBytes: number): boolean {
  return length <= maxBytes && length <= segmentSize * maxSegments;
}

/**
 * Bytes that one message takes, a multiple of the segment size. At least one segment, even one that is too long for any
 * datagram: the kernel refuses it, and data is not cut where nobody asked for it.
 * @param tail a message needs room for one more segment of one byte
 */
export function messageBytes(segmentSize: number, maxSegments: number, maxBytes: number, tail: boolean): number {
  const spare = tail ? 1 : 0;
  const fitting = Math.min(maxSegments - spare, Math.floor((maxBytes - spare) / segmentSize));
  return Math.max(1, fitting) * segmentSize;
}

export function segmentCount(length: number, segmentSize: number): number {
  return segmentSize === 0 ? 1 : Math.ceil(length / segmentSize);
}

/** Whether the last segment is as long as the others, and there are others. */
export function hasEqualTail(length: number, segmentSize: number): boolean {
  return segmentSize !== 0 && length > segmentSize && length % segmentSize === 0;
}
