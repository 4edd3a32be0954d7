// Types of replies, the error queue, reservations and the hand-over to dgram.
import type { Socket } from 'node:dgram';
import { expectTypeOf } from 'vitest';
import {
  reserveUdp,
  toDgram,
  UdpSocket,
  type NetworkError,
  type ReplyInfo,
  type SyscallError,
  type UdpReservation,
} from '../../src/index.js';

export async function use(): Promise<void> {
  const udp = UdpSocket.create({ family: 'ipv6', pktinfo: true, errorQueue: true, txTime: { deadline: true } });
  udp.on('message', (data, info) => {
    expectTypeOf(udp.reply(info, data, { ecn: info.ecn ?? 0 })).toEqualTypeOf<boolean>();
    // @ts-expect-error -- where it goes is what it answers
    udp.reply(info, data, { to: info.source });
    // @ts-expect-error -- an index is for batches
    udp.reply(info, 0, data);
  });
  const batch = udp.createSendBatch();
  udp.on('batch', (received) => {
    udp.reply(received, 0, [received.data(0), received.data(0)]);
    batch.addReply(received, 0, received.data(0), { segmentSize: 100 });
    // @ts-expect-error -- the index is missing
    udp.reply(received, received.data(0));
  });
  udp.on('sendError', (error, info) => {
    expectTypeOf(error).toEqualTypeOf<SyscallError>();
    expectTypeOf(info).toEqualTypeOf<ReplyInfo>();
  });
  for await (const error of udp.errorQueue) {
    expectTypeOf(error).toEqualTypeOf<NetworkError>();
    expectTypeOf(error.mtu ?? udp.pathMtu).toEqualTypeOf<number | undefined>();
  }
  using reservation: UdpReservation = reserveUdp({ remote: '192.0.2.1:443', local: { address: '192.0.2.7' } });
  const socket: Socket = toDgram(reservation.toUdpSocket({ gro: false }));
  socket.close();
  // @ts-expect-error -- decided when the port is reserved
  reservation.toUdpSocket({ reusePort: true });
}
