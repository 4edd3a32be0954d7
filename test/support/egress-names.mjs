// Preloaded by the tests of the recipes: every name that ends with .example has the address of the test's servers, and an
// IPv6 address on which nobody listens, so that every recipe uses happy eyeballs.
import dns from 'node:dns';

const lookup = dns.lookup;
const addresses = [
  { address: '2001:db8:5::1', family: 6 },
  { address: '198.51.100.1', family: 4 },
];

/**
 * @param {string} hostname
 * @param {import('node:dns').LookupOptions} options
 * @param {(...answer: unknown[]) => void} callback
 */
function exampleLookup(hostname, options, callback) {
  if (!hostname.endsWith('.example')) {
    Reflect.apply(lookup, dns, [hostname, options, callback]);
    return;
  }
  const { all = false, family = 0 } = options;
  const wanted = addresses.filter((one) => family === 0 || family === one.family);
  process.nextTick(() => {
    if (all) callback(null, wanted);
    else callback(null, wanted.at(-1)?.address, wanted.at(-1)?.family);
  });
}

Object.assign(dns, { lookup: exampleLookup });
