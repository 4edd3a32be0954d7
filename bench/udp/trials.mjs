// The trials for UDP: datagrams of 1200 bytes, on loopback unless a row says otherwise. Sockets that send are connected on
// both sides, unless a row says otherwise.

/** @typedef {import('../support/trial.mjs').Trial} Trial */
/** @typedef {import('../support/trial.mjs').Side} Side */

const PORT = 7000;
const LOOPBACK = '127.0.0.1';
/** Behind the veth pair. */
const FAR = '10.99.0.2';
/** Of a run. */
const MILLISECONDS = 500;

/**
 * @param {Side[0]} program
 * @param {string} mode
 * @param {string} [address]
 * @returns {Side}
 */
const side = (program, mode, address = LOOPBACK) => [program, mode, address, PORT, MILLISECONDS];

/** @type {Side} */ const SINK = ['reference', 'peer', 'sink', PORT];
/** @type {Side} */ const GRO_SINK = ['reference', 'peer', 'sink', PORT, 'gro'];
/** @type {Side} As many as possible, 54 datagrams per call. */
const FLOOD = ['reference', 'peer', 'flood', LOOPBACK, PORT];
/** @type {Side} 100,000 per second, 16 at once. */
const PACE = ['reference', 'peer', 'pace', LOOPBACK, PORT, 100_000, 16];

const CPU = /** @type {const} */ ({ metric: 'cpu', unit: 'µs CPU', figure: 'ratio' });

/** @type {readonly Trial[]} */
const SEND = [
  {
    id: 'single',
    title: 'trySend / C sendto',
    ...CPU,
    ours: side('ours', 'single-connected'),
    reference: side('reference', 'sendto-connected'),
    peer: SINK,
    target: 0.9,
    gate: 0.8,
  },
  {
    id: 'single-unconnected',
    title: 'trySend / C sendto, unconnected',
    ...CPU,
    ours: side('ours', 'single'),
    reference: side('reference', 'sendto'),
    peer: SINK,
    target: 0.9,
    gate: 0.8,
  },
  {
    id: 'single-dgram',
    title: 'trySend / Node dgram',
    ...CPU,
    ours: side('ours', 'single-connected'),
    reference: side('dgram', 'send-connected'),
    peer: SINK,
  },
  {
    id: 'single-bun',
    title: 'trySend / Bun send, unconnected',
    ...CPU,
    ours: side('ours', 'single'),
    reference: side('bun', 'send'),
    peer: SINK,
  },
  {
    id: 'send',
    title: 'await send / Node dgram',
    ...CPU,
    ours: side('ours', 'send-connected'),
    reference: side('dgram', 'send-connected'),
    peer: SINK,
  },
  {
    id: 'batch',
    title: '64 × add, sendBatch / C sendmmsg',
    ...CPU,
    ours: side('ours', 'batch-connected'),
    reference: side('reference', 'sendmmsg-connected'),
    peer: SINK,
    target: 0.95,
    gate: 0.85,
  },
  {
    id: 'batch-unconnected',
    title: 'the same, unconnected',
    ...CPU,
    ours: side('ours', 'batch'),
    reference: side('reference', 'sendmmsg'),
    peer: SINK,
    target: 0.95,
    gate: 0.85,
  },
  {
    id: 'batch-dgram',
    title: '64 × add, sendBatch / Node dgram',
    ...CPU,
    ours: side('ours', 'batch-connected'),
    reference: side('dgram', 'send-connected'),
    peer: SINK,
    target: 1.4,
    gate: 1.2,
  },
  {
    id: 'batch-bun',
    title: '64 × add, sendBatch / Bun sendMany',
    ...CPU,
    ours: side('ours', 'batch-connected'),
    reference: side('bun', 'sendMany-connected'),
    peer: SINK,
    target: 1,
    gate: 0.85,
  },
];

/** @type {readonly Trial[]} */
const SEGMENTS = [
  {
    id: 'gso',
    title: 'trySend of 54 segments / C, to a plain receiver',
    ...CPU,
    ours: side('ours', 'gso-connected'),
    reference: side('reference', 'gso-connected'),
    peer: SINK,
    target: 0.95,
    gate: 0.85,
  },
  {
    id: 'gso-gro',
    title: 'trySend of 54 segments / C, to a receiver with GRO',
    ...CPU,
    ours: side('ours', 'gso-connected'),
    reference: side('reference', 'gso-connected'),
    peer: GRO_SINK,
    target: 0.95,
    gate: 0.85,
  },
  {
    id: 'gso-copy',
    title: 'the same, 54 datagrams copied in JS / C without the copy, to a plain receiver',
    ...CPU,
    ours: side('ours', 'gso-copy-connected'),
    reference: side('reference', 'gso-connected'),
    peer: SINK,
    target: 0.8,
    gate: 0.65,
  },
  {
    id: 'gso-copy-gro',
    title: 'the same, to a receiver with GRO',
    ...CPU,
    ours: side('ours', 'gso-copy-connected'),
    reference: side('reference', 'gso-connected'),
    peer: GRO_SINK,
    target: 0.8,
    gate: 0.65,
  },
  {
    id: 'gso-dgram',
    title: 'trySend of 54 segments / Node dgram, to a receiver with GRO',
    ...CPU,
    ours: side('ours', 'gso-connected'),
    reference: side('dgram', 'send-connected'),
    peer: GRO_SINK,
    target: 20,
    gate: 12,
  },
  {
    id: 'gso-software',
    title: 'the same over veth, where the kernel cuts in software',
    ...CPU,
    ours: side('ours', 'gso-connected', FAR),
    reference: side('dgram', 'send-connected', FAR),
    peer: SINK,
    veth: 'software',
    target: 3.5,
    gate: 2.5,
  },
];

/** @type {readonly Trial[]} */
const RECEIVE = [
  {
    id: 'receive',
    title: "'batch', saturated / C recvmmsg of 64",
    ...CPU,
    ours: side('ours', 'receive'),
    reference: side('reference', 'recvmmsg'),
    peer: FLOOD,
    target: 0.85,
    gate: 0.75,
  },
  {
    id: 'receive-dgram',
    title: "'batch', saturated / Node dgram",
    ...CPU,
    ours: side('ours', 'receive'),
    reference: side('dgram', 'receive'),
    peer: FLOOD,
    target: 4,
    gate: 3,
  },
  {
    id: 'receive-views',
    title: "'batch' with a view a datagram / Node dgram",
    ...CPU,
    ours: side('ours', 'receive-views'),
    reference: side('dgram', 'receive'),
    peer: FLOOD,
    target: 3,
    gate: 2.5,
  },
  {
    id: 'receive-bun',
    title: "'batch' with a view a datagram / Bun",
    ...CPU,
    ours: side('ours', 'receive-views'),
    reference: side('bun', 'receive'),
    peer: FLOOD,
  },
  {
    id: 'message',
    title: "'message' / Node dgram",
    ...CPU,
    ours: side('ours', 'receive-messages'),
    reference: side('dgram', 'receive'),
    peer: FLOOD,
  },
  {
    id: 'paced',
    title: "'batch', 100,000 a second in bursts of 16 / C",
    ...CPU,
    ours: side('ours', 'receive'),
    reference: side('reference', 'recvmmsg'),
    peer: PACE,
    target: 0.75,
    gate: 0.65,
  },
  {
    id: 'paced-dgram',
    title: 'the same / Node dgram',
    ...CPU,
    ours: side('ours', 'receive'),
    reference: side('dgram', 'receive'),
    peer: PACE,
    target: 1.8,
    gate: 1.5,
  },
  {
    id: 'paced-bun',
    title: 'the same / Bun',
    ...CPU,
    ours: side('ours', 'receive'),
    reference: side('bun', 'receive'),
    peer: PACE,
  },
  {
    id: 'paced-apart',
    title: 'the same, the 16 sent one by one / C',
    ...CPU,
    ours: side('ours', 'receive'),
    reference: side('reference', 'recvmmsg'),
    peer: [...PACE, 'apart'],
  },
  {
    id: 'paced-apart-dgram',
    title: 'the same, the 16 sent one by one / Node dgram',
    ...CPU,
    ours: side('ours', 'receive'),
    reference: side('dgram', 'receive'),
    peer: [...PACE, 'apart'],
  },
  {
    id: 'gro',
    title: "'batch' with GRO / C recvmmsg with GRO",
    ...CPU,
    ours: side('ours', 'receive-gro'),
    reference: side('reference', 'recvmmsg-gro'),
    peer: FLOOD,
    target: 0.8,
    gate: 0.7,
  },
  {
    id: 'gro-dgram',
    title: "'batch' with GRO / Node dgram",
    ...CPU,
    ours: side('ours', 'receive-gro'),
    reference: side('dgram', 'receive'),
    peer: FLOOD,
    target: 25,
    gate: 15,
  },
  {
    id: 'garbage',
    title: "garbage a datagram, 'batch'",
    metric: 'garbage',
    unit: 'bytes',
    figure: 'value',
    ours: side('ours', 'garbage'),
    peer: FLOOD,
    target: 0,
    gate: 16,
  },
];

/** The C program compared with itself. @type {readonly Trial[]} */
const NOISE = [
  {
    id: 'noise-send',
    title: 'the noise: C sendto / itself',
    ...CPU,
    ours: side('reference', 'sendto-connected'),
    reference: side('reference', 'sendto-connected'),
    peer: SINK,
  },
  {
    id: 'noise-receive',
    title: 'the noise: C recvmmsg / itself',
    ...CPU,
    ours: side('reference', 'recvmmsg'),
    reference: side('reference', 'recvmmsg'),
    peer: FLOOD,
  },
];

export const UDP = [...SEND, ...SEGMENTS, ...RECEIVE, ...NOISE];
