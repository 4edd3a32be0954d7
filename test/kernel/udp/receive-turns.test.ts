// The time that receiving takes of one turn of the event loop.
import { expect, test } from 'vitest';
import { UdpSocket } from '../../../src/index.js';

/** A handler that takes this long for each message or segment, in milliseconds. */
const SLOW = 0.05;

test.each(['message', 'batch', 'for await'] as const)(
  "a flood with slow consumers by '%s' leaves the event loop to others: a timer is late by a few turns at most",
  async (event) => {
    await using udp = UdpSocket.create({ family: 'ipv4', gro: true, recvBufferSize: 8 << 20 });
    udp.bind('127.0.0.1:0');
    // Merged datagrams: a single read may hold tens of thousands of them.
    const data = Buffer.alloc(60_000);
    let queued = 0;
    await using sender = UdpSocket.create({ family: 'ipv4' });
    for (let i = 0; i < 50; i++) queued += Math.ceil(sender.trySend(data, { to: udp.local, segmentSize: 100 }) / 100);
    expect(queued).toBeGreaterThan(5_000);
    let handled = 0;
    const busy = (): void => {
      handled++;
      const end = performance.now() + SLOW;
      while (performance.now() < end);
    };
    const iterate = async (): Promise<void> => {
      for await (const { data } of udp) if (data.length > 0) busy();
    };
    let worst = 0;
    let due = performance.now() + 5;
    const timer = setInterval(() => {
      const now = performance.now();
      worst = Math.max(worst, now - due);
      due = now + 5;
    }, 5);
    if (event === 'message') udp.on('message', busy);
    else if (event === 'for await') void iterate();
    else
      udp.on('batch', (received) => {
        for (let left = received.length; left > 0; left--) busy();
      });
    const deadline = performance.now() + 5_000;
    const enough = event === 'batch' ? 50 : queued;
    while (handled < Math.min(enough, 20_000) && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 5));
    clearInterval(timer);
    expect(handled).toBeGreaterThan(0);
    expect(worst).toBeLessThan(250); // more than a second without a limit
  },
);
