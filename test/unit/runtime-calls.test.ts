// The calls of `npm run test:runtimes` are complete: a new public function or method needs a row.
import { expect, test } from 'vitest';
import * as library from '../../lib/index.js';
import { CALLS } from '../runtimes/calls/index.mjs';

const INTERNAL = ['transientSockaddr'];
const CLASSES = [
  ['Endpoint', 'endpoint', library.Endpoint],
  ['NativeSocket', 'nativeSocket', library.NativeSocket],
  ['EgressPool', 'pool', library.EgressPool],
  ['PortReservation', 'reservation', library.PortReservation],
  ['UdpReservation', 'udpReservation', library.UdpReservation],
  ['UdpSocket', 'udp', library.UdpSocket],
] as const;

/** What the rows call, as in `udp.bind`: a row may name several members. */
const called = new Set(
  CALLS.flatMap(({ name }) => {
    const [first = '', ...others] = name.split(', ');
    const owner = first.split('.')[0] ?? '';
    return [first, ...others.map((other) => (other.includes('.') ? other : `${owner}.${other}`))];
  }),
);

test.each(Object.keys(library))('%s has a row among the calls of other runtimes', (name) => {
  const named = [...called].some((call) => call === name || call.startsWith(`${name}.`) || call === `new ${name}`);
  expect(named).toBe(true);
});

test.each(CLASSES)('each method of %s has a row among the calls of other runtimes', (name, instance, type) => {
  const members = Object.getOwnPropertyNames(type.prototype)
    .filter((member) => member !== 'constructor')
    .map((member) => `${instance}.${member}`);
  const statics = Object.getOwnPropertyNames(type)
    .filter((member) => !['length', 'name', 'prototype'].includes(member))
    .map((member) => `${name}.${member}`);
  const missing = [...members, ...statics].filter(
    (member) => !called.has(member) && !INTERNAL.includes(member.split('.')[1] ?? ''),
  );
  expect(missing).toEqual([]);
});
