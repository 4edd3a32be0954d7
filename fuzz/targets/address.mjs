// Endpoint, from text, from objects and from sockaddr bytes.
import { Endpoint } from '../../lib/index.js';
import { must, refusesWithCode } from '../support/check.mjs';
import { Reader } from '../support/reader.mjs';
import { hostileValue } from '../support/values.mjs';

const FIELDS = ['address', 'port', 'flowlabel', 'mapped', 'family', 'scopeId'];

export const seeds = [
  '\x00127.0.0.1:80',
  '\x00[fe80::1%lo]:65535',
  '\x00[::ffff:1.2.3.4]:0',
  '\x01::1',
  '\x02\x1c\x0a\x00\x00\x50\x00\x01\x02\x03',
  '\x02\x10\x02\x00\x00\x50\x7f\x00\x00\x01',
].map((text) => Buffer.from(text, 'latin1'));

/** @param {Uint8Array} input */
export function run(input) {
  const reader = new Reader(input);
  const endpoint = make(reader);
  if (endpoint === undefined) return;
  const again = Endpoint.decode(endpoint.sockaddr(), endpoint.sockaddr().length);
  const same = again?.equals(endpoint) === true && endpoint.equals(again);
  must(same, 'decode(sockaddr()) is the same endpoint', endpoint, again);
  for (const field of /** @type {const} */ (['port', 'family', 'mapped', 'scopeId', 'flowlabel'])) {
    must(again?.[field] === endpoint[field], `decode(sockaddr()) has the same ${field}`, endpoint, again);
  }
  if (!endpoint.mapped) {
    const read = Endpoint.from(endpoint.toString());
    must(read.equals(endpoint), 'from(toString()) is the same endpoint', endpoint, read);
  }
  const { address, port, mapped, flowlabel } = endpoint;
  const clone = Endpoint.from(/** @type {never} */ ({ address, port, mapped, flowlabel }));
  must(clone.equals(endpoint), 'from(its fields) is the same endpoint', endpoint, clone);
  refusesWithCode(() => endpoint.sockaddr('ipv4'), "sockaddr('ipv4')");
  endpoint.sockaddr('ipv6');
}

/** @param {Reader} reader @returns {Endpoint | undefined} */
function make(reader) {
  switch (reader.below(5)) {
    case 0: {
      const text = Buffer.from(reader.rest()).toString('latin1');
      return refusesWithCode(() => Endpoint.from(text), 'Endpoint.from');
    }
    case 1: {
      const address = Buffer.from(reader.rest()).toString('latin1');
      return refusesWithCode(() => Endpoint.from({ address, port: 1 }), 'Endpoint.from');
    }
    case 2: {
      const length = reader.below(40);
      return Endpoint.decode(reader.rest(), length);
    }
    case 3: // a whole sockaddr_in6
      return Endpoint.decode(Uint8Array.of(10, 0, ...reader.bytes(26)), 28);
    default:
      return refusesWithCode(() => Endpoint.from(/** @type {never} */ (hostileValue(reader, FIELDS))), 'Endpoint.from');
  }
}
