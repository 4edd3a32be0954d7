// Computes how data is cut into segments (datagrams), and how many of those go into one message with UDP_SEGMENT.

/** Maximum bytes of a segment: UDP_SEGMENT is a uint16. */
export const MAX_SEGMENT_SIZE = 65535;

/** Maximum segments of one message (UDP_MAX_SEGMENTS): 128, also in 6.1.176; older kernels had 64. */
export const MAX_SEGMENTS = 128;
export const MAX_SEGMENTS_OLD = 64;

/** Maximum bytes of data in one UDP datagram, and therefore in one message. */
export function payloadLimit(ipv4: boolean): number {
  return ipv4 ? 65507 : 65527;
}

/** Whether data fits into one message. The last segment may be shorter than the others. */
export function fitsOneMessage(length: number, segmentSize: number, maxSegments: number, maxBytes: number): boolean {
  return length <= maxBytes && length <= segmentSize * maxSegments;
}

/**
 * Maximum bytes of one message, a multiple of the segment size. At least one segment, even if that is too long for a
 * datagram: the kernel then refuses it, and data is never cut at other boundaries than requested.
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

/** Whether there are several segments and the last one is as long as the others. */
export function hasEqualTail(length: number, segmentSize: number): boolean {
  return segmentSize !== 0 && length > segmentSize && length % segmentSize === 0;
}
