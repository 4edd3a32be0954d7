// The symbol key of a member of public classes that only this package calls. index.ts does not export it.

/** PortReservation, UdpReservation: a reservation made from the handle of a socket that holds the port. */
export const fromHandle: unique symbol = Symbol('linux-sockets.reservation.fromHandle');
