// HTTP CONNECT (RFC 9110, 9.3.6): requests, and responses.
import { createServer, STATUS_CODES } from 'node:http';
import { dismiss } from './dismiss.mjs';

/** @typedef {import('./proxy.mjs').Refusal} Refusal */

/** The HTTP status of each refusal, and its error in a Proxy-Status header (RFC 9209). @type {Record<Refusal['why'], [status: number, error: string]>} */
const ANSWERS = {
  credentials: [407, 'http_request_denied'],
  denied: [403, 'destination_ip_prohibited'],
  loop: [508, 'proxy_loop_detected'],
  busy: [503, 'connection_limit_reached'],
  noPort: [503, 'proxy_internal_error'],
  name: [502, 'dns_error'],
  unreachable: [502, 'destination_ip_unroutable'],
  refused: [502, 'connection_refused'],
  timeout: [504, 'connection_timeout'],
  failed: [502, 'destination_unavailable'],
};

/** @param {import('./proxy.mjs').Proxy} proxy */
export function createConnectServer(proxy) {
  const server = createServer(TIME_LIMITS, (request, response) => {
    // This proxy only tunnels.
    response.writeHead(405, { allow: 'CONNECT', connection: 'close' }).end('This proxy only supports CONNECT.\n');
    request.resume();
  });
  server.on('connect', (request, client, head) => {
    const socket = /** @type {import('node:net').Socket} */ (client);
    const target = authority(request.url ?? '');
    if (target === undefined) {
      dismiss(socket, answer(400, 'connection: close\r\n'));
      return;
    }
    if (head.length > 0) socket.unshift(head); // now: after the client's end it would be too late
    const { user, password } = basic(request.headers['proxy-authorization']);
    proxy.serve({
      protocol: 'http',
      client: socket,
      ...target,
      user,
      password,
      accept: () => socket.write('HTTP/1.1 200 Connection established\r\n\r\n'),
      refuse: ({ why }) => {
        const [status, error] = ANSWERS[why];
        const challenge = status === 407 ? 'proxy-authenticate: Basic realm="egress-proxy", charset="UTF-8"\r\n' : '';
        dismiss(
          socket,
          answer(status, `proxy-status: egress-proxy; error=${error}\r\n${challenge}connection: close\r\n`),
        );
      },
    });
  });
  return server;
}

/** Milliseconds; for a request that does not arrive, and between looks at the clock. */
const TIME_LIMITS = { headersTimeout: 10_000, requestTimeout: 10_000, connectionsCheckingInterval: 1000 };

/** @param {number} status @param {string} headers */
function answer(status, headers) {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${headers}content-length: 0\r\n\r\n`;
}

/** `host:port`, and nothing else. @param {string} text */
export function authority(text) {
  const [, host = '', port = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (!URL.canParse(`http://${host}`) || Number(port) < 1 || Number(port) > 65535) return undefined;
  const url = new URL(`http://${host}`);
  if (url.host !== url.hostname || url.pathname !== '/' || url.search + url.hash + url.username !== '')
    return undefined;
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

/** @param {string | undefined} header */
function basic(header) {
  const [, encoded = ''] = /^basic ([a-z0-9+/=]+)$/i.exec(header ?? '') ?? [];
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? {} : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
