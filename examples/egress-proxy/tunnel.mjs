// Joins two sockets: data and the end of each side are passed on, a failure of one side resets the other.

/**
 * @typedef {object} TunnelResult
 * @property {number} sent bytes to the destination
 * @property {number} received bytes from it
 * @property {Error | undefined} error what ended it, if it did not end normally
 */

/**
 * Resolves when both sockets are closed. Never rejects.
 * @param {import('node:net').Socket} client
 * @param {import('node:net').Socket} upstream connected
 * @param {number} idleTimeout milliseconds without a byte in either direction
 * @returns {Promise<TunnelResult>}
 */
export function tunnel(client, upstream, idleTimeout) {
  return new Promise((resolve) => {
    /** @type {Error | undefined} */
    let failure;
    let open = 2;
    /** @param {Error} error */
    const fail = (error) => {
      failure ??= error;
      reset(client);
      reset(upstream);
    };
    /** @param {import('node:net').Socket} from @param {import('node:net').Socket} to @param {string} name */
    const join = (from, to, name) => {
      from.setTimeout(idleTimeout, () => fail(new Error(`no data for ${idleTimeout / 1000} s`)));
      from.on('error', fail);
      from.on('close', () => {
        // Closed without an end and without an error: this process has destroyed it.
        if (!from.readableEnded) fail(new Error(`the ${name} was closed`));
        if (--open === 0) resolve({ sent: upstream.bytesWritten, received: upstream.bytesRead, error: failure });
      });
      from.pipe(to);
    };
    join(client, upstream, 'client');
    join(upstream, client, 'destination');
    // One of them may have failed before its listener was added.
    if (client.destroyed || upstream.destroyed)
      fail(client.errored ?? upstream.errored ?? new Error('closed too soon'));
  });
}

/**
 * Node cannot reset a socket while its end is being sent, and would never close it.
 * @param {import('node:net').Socket} socket
 */
function reset(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
