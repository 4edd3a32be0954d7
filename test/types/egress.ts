// Types of EgressPool, connector and their adapters, checked by `npm run types` and never run.
import * as http from 'node:http';
import * as https from 'node:https';
import type { createConnection, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import got from 'got';
import pg from 'pg';
import { Agent, Client } from 'undici';
import { expectTypeOf } from 'vitest';
import WebSocket from 'ws';
import {
  connector,
  EgressPool,
  type EgressClosedEvent,
  type EgressExhaustedEvent,
  type EgressPoolOptions,
  type EgressPoolStats,
  type Endpoint,
  type Family,
  type SourceStats,
  type Strategy,
} from '../../src/index.js';

export function making(): EgressPool {
  new EgressPool({ sources: ['192.0.2.1', '2001:db8::/64'] });
  new EgressPool({
    sources: ['192.0.2.1'],
    strategy: 'sticky',
    limit: 1,
    limitPerAddress: 1,
    exhaustedFor: 0,
    name: 'x',
  });
  new EgressPool({ sources: ['192.0.2.1'], freebind: true, transparent: true, mark: 1, device: 'eth0' });
  new EgressPool({
    sources: ['192.0.2.1'],
    sockopts: { TCP_SYNCNT: 3 },
    retry: { whenExhausted: true, timeout: 1000 },
  });
  // @ts-expect-error a pool needs sources
  new EgressPool({});
  // @ts-expect-error a list of them
  new EgressPool({ sources: '192.0.2.1' });
  // @ts-expect-error there is no such strategy
  new EgressPool({ sources: ['192.0.2.1'], strategy: 'fastest' });
  // @ts-expect-error a range has two ends
  new EgressPool({ sources: ['192.0.2.1'], localPortRange: [40_000] });
  // @ts-expect-error it is misspelt
  new EgressPool({ sources: ['192.0.2.1'], portRange: [1, 2] });
  // @ts-expect-error an option's value has its type
  new EgressPool({ sources: ['192.0.2.1'], sockopts: { TCP_NODELAY: 1 } });
  // What is not known may be passed on.
  ({ sources: [], limit: undefined }) satisfies EgressPoolOptions;
  return new EgressPool({
    sources: ['192.0.2.1'],
    strategy: ({ family, remote, key }) => {
      expectTypeOf(family).toEqualTypeOf<Family>();
      expectTypeOf(remote).toEqualTypeOf<Endpoint>();
      expectTypeOf(key).toEqualTypeOf<string | undefined>();
      return key === undefined ? '192.0.2.1' : ['192.0.2.1', '192.0.2.2'];
    },
  });
}

// @ts-expect-error it has to return an address
export const wrong: Strategy = () => 1;
// @ts-expect-error it has to return at once
export const late: Strategy = () => Promise.resolve('192.0.2.1');

export function connecting(pool: EgressPool): void {
  expectTypeOf(pool.connect({ host: 'example.com', port: 443 })).toEqualTypeOf<Socket>();
  pool.connect(
    { port: 443, key: 'tenant', family: 6, signal: AbortSignal.timeout(1), sockopts: { SO_MARK: 1 } },
    () => undefined,
  );
  // @ts-expect-error the port is needed
  pool.connect({ host: 'example.com' });
  // @ts-expect-error the pool decides it
  pool.connect({ port: 443, localAddress: '192.0.2.1' });
  // @ts-expect-error the pool decides it
  pool.connect({ port: 443, mark: 1 });
  // @ts-expect-error a key is text
  pool.connect({ port: 443, key: 1 });
  expectTypeOf(
    pool.connectTls({ port: 443, servername: 'example.com', egressKey: 'k', key: 'PEM' }),
  ).toEqualTypeOf<TLSSocket>();
  expectTypeOf(pool.socket({ key: 'k', allowHalfOpen: true })).toEqualTypeOf<Socket>();
  expectTypeOf(pool.createConnection(443, 'example.com')).toEqualTypeOf<Socket>();
  pool.createConnection(443, () => undefined);
  pool.createConnection('443', 'example.com', () => undefined);
  pool.createConnection({ port: 443, host: 'example.com' }, () => undefined);
  expectTypeOf(pool.createConnection).toExtend<typeof createConnection>();
  // @ts-expect-error a listener is a function
  pool.createConnection(443, 'example.com', 5);
  expectTypeOf(pool.sources).toEqualTypeOf<string[]>();
  expectTypeOf(pool.removeSource('192.0.2.1')).toEqualTypeOf<boolean>();
}

export function adapting(pool: EgressPool): void {
  expectTypeOf(pool.httpAgent({ keepAlive: true, egressKey: 'k' })).toEqualTypeOf<http.Agent>();
  expectTypeOf(pool.httpsAgent({ ca: 'PEM', egressKey: 'k' })).toEqualTypeOf<https.Agent>();
  http.get({ agent: pool.httpAgent(), egressKey: 'k' });
  http.request('http://example.com', { agent: pool.httpAgent(), egressKey: undefined }, () => undefined);
  https.get({ agent: pool.httpsAgent(), egressKey: 'k' });
  https.get('https://example.com', { agent: pool.httpsAgent(), egressKey: 'k', ca: 'PEM' }, () => undefined);
  // @ts-expect-error a key is text
  http.get({ agent: pool.httpAgent(), egressKey: 5 });
  // @ts-expect-error it is misspelt
  https.get({ agent: pool.httpsAgent(), egressKeys: 'k' });
  // @ts-expect-error it goes through no proxy
  pool.httpAgent({ proxyEnv: { HTTP_PROXY: 'http://proxy:3128' } });
  // @ts-expect-error it goes through no proxy
  pool.httpsAgent({ proxyEnv: { HTTPS_PROXY: 'http://proxy:3128' } });
  http.get({ createConnection: pool.createConnection });
  void got('https://example.com', { agent: { http: pool.httpAgent(), https: pool.httpsAgent() } });
  new WebSocket('ws://example.com', { createConnection: pool.createConnection });
  new Agent({ connect: pool.undiciConnector({ allowH2: true, ca: 'PEM' }) });
  new Client('https://example.com', { connect: pool.undiciConnector({ egressKey: 'k', timeout: 0 }) });
  new pg.Pool({ stream: () => pool.socket() });
  connector({ localAddress: '192.0.2.1', mark: 7 }).httpAgent();
  // @ts-expect-error it is misspelt
  connector({ localAdress: '192.0.2.1' });
  // @ts-expect-error a number of milliseconds
  pool.undiciConnector({ timeout: '1s' });
}

export function telling(pool: EgressPool, exhausted: EgressExhaustedEvent, closed: EgressClosedEvent): void {
  expectTypeOf(pool.stats()).toEqualTypeOf<EgressPoolStats>();
  expectTypeOf(pool.stats().sources).toEqualTypeOf<readonly SourceStats[]>();
  expectTypeOf(pool.stats().held).toEqualTypeOf<number>();
  expectTypeOf(exhausted.aside).toEqualTypeOf<number>();
  expectTypeOf(closed.error).toEqualTypeOf<Error | undefined>();
  // @ts-expect-error the kernel's numbers are not for writing
  pool.stats().held = 0;
}
