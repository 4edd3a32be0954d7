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
  reserve({ remote: '192.0.2.1:443', local: '192.0.2.9' });
  reserveUdp({ remote: '[2001:db8::1]:443', local: '[2001:db8::9]' });
  reserve({ remote: { address: '192.0.2.1', port: 443 }, local: { address: '192.0.2.9' } });
  reserve({ remote: '192.0.2.1:443', local: { address: '192.0.2.9', port: 40_000 }, shareLocalPort: false });
  reserve({ remote: '192.0.2.1:443', local: '192.0.2.9:0', localPortRange: [40_000, 40_999], freebind: true });
  reserve({ remote: '192.0.2.1:443', transparent: true, mark: 1, sockopts: { TCP_USER_TIMEOUT: 1000 } });
  // @ts-expect-error the remote is required
  reserve({});
  // @ts-expect-error the remote needs a port
  reserve({ remote: { address: '192.0.2.1' } });
  // @ts-expect-error a range has two bounds
  reserve({ remote: '192.0.2.1:443', localPortRange: [40_000] });
  // @ts-expect-error text is not an object
  reserve({ remote: '192.0.2.1:443', localPortRange: '40000-40999' });
  // @ts-expect-error a number is not a boolean
  reserve({ remote: '192.0.2.1:443', shareLocalPort: 1 });
  // @ts-expect-error a misspelt key
  reserve({ remote: '192.0.2.1:443', portRange: [1, 2] });
  // @ts-expect-error the value has the type of the option
  reserve({ remote: '192.0.2.1:443', sockopts: { TCP_NODELAY: 1 } });
  // @ts-expect-error an option of datagram sockets
  reserve({ remote: '192.0.2.1:443', sockopts: { UDP_SEGMENT: 1200 } });
  // @ts-expect-error an option of stream sockets
  reserveUdp({ remote: '192.0.2.1:443', local: '192.0.2.9:0', sockopts: { TCP_NODELAY: true } });
  // @ts-expect-error the count is the first argument
  reserveMany({ remote: '192.0.2.1:443' }, 10);
  // Undefined may be passed on.
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
  // @ts-expect-error expects an options object
  await reservation.activate(signal);
  // @ts-expect-error expects a number of milliseconds
  await reservation.activate({ timeout: '100' });
  // @ts-expect-error it is read-only
  reservation.state = 'held';
  // @ts-expect-error expects a child process, not its pid
  await reservation.sendTo(1);
}

export function moving(reservation: PortReservation, message: ReservationMessage, socket: Socket): void {
  const moved = reservation.detach();
  expectTypeOf(moved).toEqualTypeOf<DetachedReservation>();
  expectTypeOf(PortReservation.adopt(moved)).toEqualTypeOf<PortReservation>();
  expectTypeOf(PortReservation.adopt(structuredClone(moved))).toEqualTypeOf<PortReservation>();
  expectTypeOf(PortReservation.adopt(message, socket)).toEqualTypeOf<PortReservation>();
  // @ts-expect-error the message needs its handle
  PortReservation.adopt(message);
  // @ts-expect-error the target is required
  PortReservation.adopt({ fd: 3, local: '127.0.0.1:1' });
}
