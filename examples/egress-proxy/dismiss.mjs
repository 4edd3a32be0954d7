// The end of a client that gets an answer and no tunnel.

const LINGER_MS = 5000;

/**
 * Sends the answer, and does not wait for a client that does not read it, or continues to send.
 * @param {import('node:net').Socket} client
 * @param {Buffer | string} answer
 */
export function dismiss(client, answer) {
  const timer = setTimeout(() => client.destroy(), LINGER_MS);
  client.on('error', () => client.destroy()).once('close', () => clearTimeout(timer));
  client.resume().end(answer);
}
