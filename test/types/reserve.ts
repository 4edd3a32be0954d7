// Types of reserve and PortReservation, checked by `npm run types` and never run.
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { expectTypeOf } from 'vitest';
import {
  PortReservation,
  reserve,
  reserveMany,
  reserveUdp,
  setOption,
  UdpReservation,
  type DetachedReservation,
  type Endpoint,
  type ReservationMessage,
  type ReservationState,
  type ReserveOptions,
} from '../../src/index.js';

export function reserving(): void {
  expectTypeOf(reserve({ remote: '192.0.2.1:443' })).toEqualTypeOf<PortReservation>();
  expectTypeOf(reserveMany(10, { remote: '192.0.2.1:443' })).toEqualTypeOf<PortReservation[]>();
  reserve({ remote: { address: '192.0.2.1', port: 443 }, local: { address: '192.0.2.9' } });
  reserve({ remote: '192.0.2.1:443', local: { address: '192.0.2.9', port: 40_000 }, shareLocalPort: false });
  reserve({ remote: '192.0.2.1:443', local: '192.0.2.9:0', localPortRange: [40_000, 40_999], freebind: true });
  reserve({ remote: '192.0.2.1:443', transparent: true, sockopts: { SO_MARK: 1, TCP_USER_TIMEOUT: 1000 } });
  // @ts-expect-error the remote is needed
  reserve({});
  // @ts-expect-error with a port
  reserve({ remote: { address: '192.0.2.1' } });
  // @ts-expect-error a range has two ends
  reserve({ remote: '192.0.2.1:443', localPortRange: [40_000] });
  // @ts-expect-error text is no such thing
  reserve({ remote: '192.0.2.1:443', localPortRange: '40000-40999' });
  // @ts-expect-error a number is no boolean
  reserve({ remote: '192.0.2.1:443', shareLocalPort: 1 });
  // @ts-expect-error it is misspelt
  reserve({ remote: '192.0.2.1:443', portRange: [1, 2] });
  // @ts-expect-error an option's value has its type
  reserve({ remote: '192.0.2.1:443', sockopts: { SO_MARK: true } });
  // @ts-expect-error an option of datagram sockets
  reserve({ remote: '192.0.2.1:443', sockopts: { UDP_SEGMENT: 1200 } });
  // @ts-expect-error an option of stream sockets
  reserveUdp({ remote: '192.0.2.1:443', local: '192.0.2.9:0', sockopts: { TCP_NODELAY: true } });
  // @ts-expect-error the count comes first
  reserveMany({ remote: '192.0.2.1:443' }, 10);
  // What is not known may be passed on.
  ({ remote: '192.0.2.1:443', local: undefined }) satisfies ReserveOptions;
}

export function making(reservation: PortReservation, udp: UdpReservation): void {
  // @ts-expect-error only reserve and adopt make one
  new PortReservation();
  // @ts-expect-error only reserveUdp makes one
  new UdpReservation();
  // @ts-expect-error an option of datagram sockets
  setOption(reservation, 'UDP_SEGMENT', 1200);
  // @ts-expect-error an option of stream sockets
  setOption(udp, 'TCP_NODELAY', true);
  setOption(reservation, 'TCP_NODELAY', true);
  setOption(udp, 'SO_RCVBUF', 65536);
}

export async function holding(reservation: PortReservation, signal: AbortSignal, child: ChildProcess): Promise<void> {
  expectTypeOf(reservation.local).toEqualTypeOf<Endpoint>();
  expectTypeOf(reservation.remote).toEqualTypeOf<Endpoint>();
  expectTypeOf(reservation.fd).toEqualTypeOf<number>();
  expectTypeOf(reservation.state).toEqualTypeOf<ReservationState>();
  expectTypeOf(reservation.verify()).toEqualTypeOf<boolean>();
  expectTypeOf(reservation.toSocket()).toEqualTypeOf<Socket>();
  expectTypeOf(reservation.activate({ signal, timeout: 100 })).toEqualTypeOf<Promise<Socket>>();
  expectTypeOf(reservation.sendTo(child)).toEqualTypeOf<Promise<void>>();
  expectTypeOf(reservation).toExtend<Disposable>();
  await reservation.activate();
  // @ts-expect-error in an options object
  await reservation.activate(signal);
  // @ts-expect-error a number of milliseconds
  await reservation.activate({ timeout: '100' });
  // @ts-expect-error it is the kernel's
  reservation.state = 'held';
  // @ts-expect-error a child process, not its number
  await reservation.sendTo(1);
}

export function moving(reservation: PortReservation, message: ReservationMessage, socket: Socket): void {
  const moved = reservation.detach();
  expectTypeOf(moved).toEqualTypeOf<DetachedReservation>();
  expectTypeOf(PortReservation.adopt(moved)).toEqualTypeOf<PortReservation>();
  expectTypeOf(PortReservation.adopt(structuredClone(moved))).toEqualTypeOf<PortReservation>();
  expectTypeOf(PortReservation.adopt(message, socket)).toEqualTypeOf<PortReservation>();
  // @ts-expect-error the message comes with a handle
  PortReservation.adopt(message);
  // @ts-expect-error where it goes is needed
  PortReservation.adopt({ fd: 3, local: '127.0.0.1:1' });
}
