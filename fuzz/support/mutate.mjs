// Pseudo-random numbers from a seed, and mutation of inputs.

const MAX_LENGTH = 512;
const INTERESTING = [0, 1, 2, 4, 7, 8, 15, 16, 17, 28, 31, 32, 41, 63, 64, 127, 128, 224, 250, 251, 254, 255];
const WORDS = [0, 1, 16, 17, 28, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** mulberry32 @param {number} seed @returns {(end: number) => number} an integer from 0 to `end` - 1 */
export function random(seed) {
  let state = seed >>> 0;
  return (end) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * end);
  };
}

/**
 * @param {readonly Uint8Array[]} corpus at least one
 * @param {(end: number) => number} below
 */
export function mutate(corpus, below) {
  const pick = () => corpus[below(corpus.length)] ?? new Uint8Array(0);
  let bytes = [...pick()];
  for (let left = 1 + below(6); left > 0; left--) {
    const at = below(bytes.length + 1);
    switch (below(8)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = below(256);
        break;
      case 2:
        if (at < bytes.length) bytes[at] = INTERESTING[below(INTERESTING.length)] ?? 0;
        break;
      case 3:
        bytes.splice(at, 0, ...Array.from({ length: 1 + below(8) }, () => below(256)));
        break;
      case 4:
        bytes.splice(at, 1 + below(8));
        break;
      case 5: {
        const word = WORDS[below(WORDS.length)] ?? 0;
        const width = [1, 2, 4, 8][below(4)] ?? 4;
        const written = Array.from({ length: width }, (_, i) => (i < 4 ? (word >>> (8 * i)) & 255 : 0));
        bytes.splice(at, width, ...(below(2) === 0 ? written : written.reverse()));
        break;
      }
      case 6: {
        const other = pick();
        bytes = [...bytes.slice(0, at), ...other.subarray(below(other.length + 1))];
        break;
      }
      default:
        bytes.splice(at, 0, ...bytes.slice(below(bytes.length + 1), at));
    }
  }
  return Uint8Array.from(bytes.slice(0, MAX_LENGTH));
}
