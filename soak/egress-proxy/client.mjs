// One connection through the proxy, with data sent back and compared.
import { randomBytes } from 'node:crypto';
import { connect } from 'linux-sockets';

const UPSTREAM = { address: '127.0.0.1', port: 7000 };
const DATA = randomBytes(1 << 20);
const SIZES = [0, 1, 100, 1000, 1400, 5000, 20_000, 65_536, 200_000];
const CONNECT = Buffer.from(`CONNECT ${UPSTREAM.address}:${UPSTREAM.port} HTTP/1.1\r\nhost: upstream\r\n\r\n`);
const CONNECTED = Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n');
const SOCKS = Buffer.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, UPSTREAM.port >> 8, UPSTREAM.port & 255);
const SOCKS_CONNECTED = Buffer.of(5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0);
const TIMEOUT_MS = 30_000;

/** Resolves with the bytes that were compared. @param {number} index @returns {Promise<number>} */
export function exchange(index) {
  const socks = index % 2 === 1;
  const size = SIZES[index % SIZES.length] ?? 0;
  const from = (index * 7919) % (DATA.length - size);
  const data = DATA.subarray(from, from + size);
  const greeting = socks ? SOCKS_CONNECTED : CONNECTED;
  return new Promise((resolve, reject) => {
    // Clients use many addresses, so that they do not run out of ports.
    const client = connect({
      host: '127.0.0.1',
      port: socks ? 1080 : 3128,
      localAddress: `127.1.${index % 4}.${1 + (index % 200)}`,
      allowHalfOpen: true,
      noDelay: true,
    });
    let got = 0;
    client.setTimeout(TIMEOUT_MS, () => client.destroy(new Error(`no data for ${TIMEOUT_MS / 1000} s`)));
    client.on('data', (chunk) => {
      // The greeting, then the data, in pieces of any size.
      for (let at = 0; at < chunk.length;) {
        const inGreeting = got < greeting.length;
        const expected = inGreeting ? greeting.subarray(got) : data.subarray(got - greeting.length);
        const length = Math.min(expected.length, chunk.length - at);
        if (length === 0 || !expected.subarray(0, length).equals(chunk.subarray(at, at + length))) {
          client.destroy(new Error(`a wrong byte after ${got}: ${chunk.subarray(at, at + 40).toString('latin1')}`));
          return;
        }
        at += length;
        got += length;
        if (got === greeting.length) client.end(data);
      }
    });
    client.on('error', reject);
    client.on('close', () => {
      if (got === greeting.length + size) resolve(size);
      else reject(new Error(`closed after ${got} of ${greeting.length + size} bytes`));
    });
    client.write(socks ? SOCKS : CONNECT);
  });
}
