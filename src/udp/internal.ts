// Symbol keys of members of public classes that only this package calls. index.ts does not export them.

/** UdpSocket: a socket made from a handle whose socket is set up already. */
export const fromHandle: unique symbol = Symbol('linux-sockets.fromHandle');

/** UdpSocket: closes it except for its descriptor, which the caller takes. */
export const handOver: unique symbol = Symbol('linux-sockets.handOver');

/** SendBatch, ReceivedBatch: the factory, since their constructors are private. */
export const make: unique symbol = Symbol('linux-sockets.make');

/** SendBatch: its messages, as the Sender needs them. */
export const contents: unique symbol = Symbol('linux-sockets.contents');

/** ReceivedBatch: receives into an arena. */
export const fill: unique symbol = Symbol('linux-sockets.fill');

/** ReceivedBatch: shows what an arena holds. */
export const show: unique symbol = Symbol('linux-sockets.show');

/** ReceivedBatch: invalidates its contents. */
export const empty: unique symbol = Symbol('linux-sockets.empty');

/** ReceivedBatch: it was made by `createReceiveBatch`. */
export const isOwn: unique symbol = Symbol('linux-sockets.isOwn');
