// UDP-Lite, the one way to a real EIO of segmentation offload: Linux 7.1 no longer has it.
import { NativeSocket } from '../../src/index.js';

export const IPPROTO_UDPLITE = 136;

/** Why the tests that need it are skipped; undefined where the kernel has it. */
export const lacksUdpLite: string | undefined = probe();

function probe(): string | undefined {
  try {
    NativeSocket.create({ family: 'ipv4', type: 'dgram', protocol: IPPROTO_UDPLITE }).close();
    return undefined;
  } catch (error) {
    return `skipped: this kernel has no UDP-Lite (${String((error as NodeJS.ErrnoException).code)})`;
  }
}
