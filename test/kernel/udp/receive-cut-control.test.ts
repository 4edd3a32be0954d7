// Too little room for control messages, of every size: an accessor returns the correct value or undefined. The kernel
// truncates the message at the end of the room, in the middle of a number or an address.
import { describe, expect, test } from 'vitest';
import { type ControlMessage, type ReceivedBatch } from '../../../src/index.js';
import { LOOPBACK, udp as plainUdp } from '../../support/sockets.js';
import { checkDescriptors } from '../../support/fixtures.js';
import { nextBatch, PATHS, receiver, send } from '../../support/udp-receive.js';

checkDescriptors();

const FEATURES = {
  ...{
    pktinfo: true,
    originalDestination: true,
    ecn: true,
    ttl: true,
    timestamps: true,
    dropCounter: true,
    receiveMark: true,
  },
} as const;
const SIZES = Array.from({ length: 41 }, (_, i) => 8 * i);

describe.each(PATHS)('$path', ({ family, from }) => {
  test('with truncated control messages every accessor returns the correct value or undefined', async () => {
    using sender = plainUdp(from);
    const control = (tos: number, ttl: number): ControlMessage[] =>
      from === 'ipv4'
        ? [
            { type: 'IP_TOS', value: tos },
            { type: 'IP_TTL', value: ttl },
          ]
        : [
            { type: 'IPV6_TCLASS', value: tos },
            { type: 'IPV6_HOPLIMIT', value: ttl },
          ];
    const told: string[] = [];
    for (const controlLength of SIZES) {
      await using udp = receiver({ family, ...FEATURES, controlLength, slots: 2 });
      // Data of the first round must not be visible in the second.
      for (const [tos, ttl] of [
        [1, 9],
        [0x2e, 77],
      ] as const) {
        const before = BigInt(Date.now()) * 1_000_000n - 10_000_000_000n;
        for (let i = 0; i < 2; i++) send(sender, udp, 'data', control(tos, ttl));
        await nextBatch(udp, (received) => {
          expect(received.length).toBe(2);
          for (let i = 0; i < 2; i++) {
            const seen = all(received, i);
            expect([tos, undefined]).toContain(seen.tos);
            expect([tos & 3, undefined]).toContain(seen.ecn);
            expect([ttl, undefined]).toContain(seen.ttl);
            expect([1, undefined]).toContain(seen.interface);
            expect([`${LOOPBACK[from]} 0`, undefined]).toContain(seen.local);
            expect([`${LOOPBACK[from]} 0`, `${LOOPBACK[from]} ${udp.local.port}`, undefined]).toContain(
              seen.destination,
            );
            expect(seen.segmentSize).toBe(4);
            expect([0, undefined]).toContain(seen.mark);
            if (seen.timestamp !== undefined) {
              expect(seen.timestamp).toBeGreaterThan(before);
              expect(seen.timestamp).toBeLessThan(before + 30_000_000_000n);
            }
            const whole = [seen.tos, seen.ttl, seen.local, seen.timestamp, seen.interface].every(
              (one) => one !== undefined,
            );
            if (!whole) expect(seen.controlTruncated, `${controlLength} bytes`).toBe(true);
            for (const [name, value] of Object.entries(seen))
              if (value !== undefined) told.push(`${name} ${controlLength}`);
          }
        });
      }
    }
    for (const name of ['tos', 'ttl', 'interface', 'local', 'timestamp']) {
      expect(told.includes(`${name} 320`), `${name} with room enough`).toBe(true);
      expect(told.includes(`${name} 0`), `${name} with none`).toBe(false);
    }
  });

  test('control() decodes truncated control messages without an error', async () => {
    using sender = plainUdp(from);
    for (const controlLength of SIZES) {
      await using udp = receiver({ family, ...FEATURES, controlLength, slots: 1 });
      send(sender, udp, 'data');
      const messages = await nextBatch(udp, (received) => received.control(0));
      expect(messages.length).toBeLessThanOrEqual(controlLength / 16);
    }
  });
});

function all(received: ReceivedBatch, i: number) {
  const [destination, local] = [received.destination(i), received.local(i)];
  return {
    destination: destination && `${destination.address} ${destination.port}`,
    local: local && `${local.address} ${local.port}`,
    interface: received.interface(i),
    ecn: received.ecn(i),
    tos: received.tos(i),
    ttl: received.ttl(i),
    segmentSize: received.segmentSize(i),
    timestamp: received.timestamp(i),
    mark: received.mark(i),
    controlTruncated: received.controlTruncated(i),
  };
}
