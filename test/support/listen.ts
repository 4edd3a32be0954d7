// Helpers for the tests of listen: the kinds of server, a client for each, and servers that are closed at the end of the scope.
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net, { type AddressInfo, type Server } from 'node:net';
import tls from 'node:tls';
import { text } from 'node:stream/consumers';
import { listen, type ListenOptions } from '../../src/index.js';

/** A kind of server that answers 'hello', and its client. */
export interface Kind {
  readonly make: () => Server;
  readonly ask: (address: string, port: number) => Promise<string>;
}

export const KINDS: Readonly<Record<string, Kind>> = {
  net: {
    make: () => net.createServer((socket) => socket.end('hello')),
    ask: async (host, port) => text(net.connect({ host, port })),
  },
  tls: {
    make: () => tls.createServer(certificate(), (socket) => socket.end('hello')),
    ask: async (host, port) => text(tls.connect({ host, port, ca: CERTIFICATE, servername: 'localhost' })),
  },
  http: {
    make: () => http.createServer((_, response) => response.end('hello')),
    ask: async (host, port) => {
      const [response] = (await once(http.get({ host, port, agent: false }), 'response')) as [http.IncomingMessage];
      return await text(response);
    },
  },
  https: {
    make: () => https.createServer(certificate(), (_, response) => response.end('hello')),
    ask: async (host, port) => {
      const request = https.get({ host, port, agent: false, ca: CERTIFICATE, servername: 'localhost' });
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      return await text(response);
    },
  },
  http2: {
    make: () => http2.createServer((_, response) => response.end('hello')),
    ask: async (host, port) => askHttp2(http2.connect(`http://${literal(host)}:${port}`)),
  },
  'http2 over TLS': {
    make: () => http2.createSecureServer(certificate(), (_, response) => response.end('hello')),
    ask: async (host, port) =>
      askHttp2(http2.connect(`https://${literal(host)}:${port}`, { ca: CERTIFICATE, servername: 'localhost' })),
  },
};

/** Waits until the server is listening; closes it at the end of the scope. */
export async function listening<S extends Server>(
  server: S,
  options: ListenOptions,
): Promise<{ server: S; port: number; address: AddressInfo } & AsyncDisposable> {
  await once(listen(server, options), 'listening');
  const address = server.address() as AddressInfo;
  return {
    server,
    address,
    port: address.port,
    [Symbol.asyncDispose]: async () => close(server),
  };
}

export async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  await closed;
}

/** The error with which listening fails. */
export async function failure(
  server: Server,
  options: ListenOptions,
): Promise<NodeJS.ErrnoException & { reason?: string }> {
  const failed = once(listen(server, options), 'error') as Promise<[NodeJS.ErrnoException]>;
  return (await failed)[0];
}

/** The process warnings that an action emits. */
export async function warningsOf(action: () => Promise<void>): Promise<(Error & { code?: string })[]> {
  const warnings: (Error & { code?: string })[] = [];
  const heard = (warning: Error): void => void warnings.push(warning);
  process.on('warning', heard);
  try {
    await action();
    await new Promise(setImmediate); // they are emitted a tick later
  } finally {
    process.off('warning', heard);
  }
  return warnings;
}

function certificate(): { key: string; cert: string } {
  return { key: KEY, cert: CERTIFICATE };
}

async function askHttp2(session: http2.ClientHttp2Session): Promise<string> {
  try {
    return await text(session.request({ ':path': '/' }));
  } finally {
    session.close();
  }
}

function literal(address: string): string {
  return net.isIPv6(address) ? `[${address}]` : address;
}

/** For localhost, self-signed; made for these tests. */
const CERTIFICATE = `
-----BEGIN CERTIFICATE-----
MIIBrTCCAVSgAwIBAgIUBiKLoK7t0oOsAimMzTK/cLqyDsAwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjE2NTkyM1oYDzIxMjYxMDI5
MTY1OTIzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASEvLvk/OMfana75KWBwh+f6z7wjyF+RLrYhsaNJdhEvyW7+hxuUA9Z
GIqPuUoTtD9bRrd6nkDHlUugpdjK/Omko4GBMH8wHQYDVR0OBBYEFHmtFrS1yrnU
GQv15suMV1omgOeSMB8GA1UdIwQYMBaAFHmtFrS1yrnUGQv15suMV1omgOeSMA8G
A1UdEwEB/wQFMAMBAf8wLAYDVR0RBCUwI4IJbG9jYWxob3N0hwR/AAABhxAAAAAA
AAAAAAAAAAAAAAABMAoGCCqGSM49BAMCA0cAMEQCIBjPSkMrL1/6Ye9ofQqeahQK
EFJRvvMiIOZMpYVqVu20AiBBjrpo9BJWxTSP7XKqSKdxS4jcndgbONSQ6mZt5wr2
Jw==
-----END CERTIFICATE-----
`;
const KEY = `
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZeJB7mMqf973Lseb
FcjIqEzQF0w+jHcz8XU7SI8TH32hRANCAASEvLvk/OMfana75KWBwh+f6z7wjyF+
RLrYhsaNJdhEvyW7+hxuUA9ZGIqPuUoTtD9bRrd6nkDHlUugpdjK/Omk
-----END PRIVATE KEY-----
`;
