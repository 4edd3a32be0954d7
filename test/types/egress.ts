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
  type EgressKey,
  type EgressPoolOptions,
  type EgressPoolStats,
  type Endpoint,
  type Family,
  type RemovedSource,
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
    cooldown: 0,
    name: 'x',
  });
  new EgressPool({ sources: ['192.0.2.1'], freebind: true, transparent: true, mark: 1, device: 'eth0' });
  new EgressPool({
    sources: ['192.0.2.1'],
    sockopts: { TCP_SYNCNT: 3 },
    waitForLocalPort: { timeout: 1000 },
  });
  new EgressPool({ sources: ['192.0.2.1'], waitForLocalPort: true });
  // @ts-expect-error retry is the former name of waitForLocalPort
  new EgressPool({ sources: ['192.0.2.1'], retry: { whenExhausted: true } });
  // @ts-expect-error exhaustedFor is the former name of cooldown
  new EgressPool({ sources: ['192.0.2.1'], exhaustedFor: 1000 });
  // @ts-expect-error sources are required
  new EgressPool({});
  // @ts-expect-error sources are an array
  new EgressPool({ sources: '192.0.2.1' });
  // @ts-expect-error unknown strategy
  new EgressPool({ sources: ['192.0.2.1'], strategy: 'fastest' });
  // @ts-expect-error a range has two ends
  new EgressPool({ sources: ['192.0.2.1'], localPortRange: [40_000] });
  // @ts-expect-error unknown option
  new EgressPool({ sources: ['192.0.2.1'], portRange: [1, 2] });
  // @ts-expect-error wrong type of an option value
  new EgressPool({ sources: ['192.0.2.1'], sockopts: { TCP_NODELAY: 1 } });
  // undefined is allowed.
  ({ sources: [], limit: undefined }) satisfies EgressPoolOptions;
  return new EgressPool({
    sources: ['192.0.2.1'],
    strategy: ({ family, remote, egressKey }) => {
      expectTypeOf(family).toEqualTypeOf<Family>();
      expectTypeOf(remote).toEqualTypeOf<Endpoint>();
      expectTypeOf(egressKey).toEqualTypeOf<string | undefined>();
      return egressKey === undefined ? '192.0.2.1' : ['192.0.2.1', '192.0.2.2'];
    },
  });
}

// @ts-expect-error a strategy must return an address
export const wrong: Strategy = () => 1;
// @ts-expect-error a strategy must return synchronously
export const late: Strategy = () => Promise.resolve('192.0.2.1');

export function connecting(pool: EgressPool): void {
  expectTypeOf(pool.connect({ host: 'example.com', port: 443 })).toEqualTypeOf<Socket>();
  pool.connect(
    { port: 443, egressKey: 'tenant', family: 6, signal: AbortSignal.timeout(1), sockopts: { SO_PRIORITY: 1 } },
    () => undefined,
  );
  // @ts-expect-error it is the option `mark` of the pool
  pool.connect({ port: 443, sockopts: { SO_MARK: 1 } });
  // @ts-expect-error port is required
  pool.connect({ host: 'example.com' });
  // @ts-expect-error the pool sets it
  pool.connect({ port: 443, localAddress: '192.0.2.1' });
  // @ts-expect-error the pool sets it
  pool.connect({ port: 443, mark: 1 });
  // @ts-expect-error a key is a string
  pool.connect({ port: 443, egressKey: 1 });
  // @ts-expect-error key is the former name of egressKey
  pool.connect({ port: 443, key: 'tenant' });
  const key: EgressKey = () => undefined;
  pool.connect({ port: 443, egressKey: key, waitForLocalPort: false });
  pool.connectTls({ port: 443, egressKey: () => 'tenant' });
  pool.createConnection({ port: 443, egressKey: key });
  pool.socket({ egressKey: key, waitForLocalPort: true });
  // @ts-expect-error an egressKey function must return synchronously
  pool.connect({ port: 443, egressKey: () => Promise.resolve('tenant') });
  expectTypeOf<
    Extract<keyof EgressPool, 'dial' | 'dialTls' | 'candidates' | 'open' | 'openTls'>
  >().toEqualTypeOf<never>();
  expectTypeOf(
    pool.connectTls({ port: 443, servername: 'example.com', egressKey: 'k', key: 'PEM' }),
  ).toEqualTypeOf<TLSSocket>();
  expectTypeOf(pool.socket({ egressKey: 'k', allowHalfOpen: true })).toEqualTypeOf<Socket>();
  expectTypeOf(pool.createConnection(443, 'example.com')).toEqualTypeOf<Socket>();
  pool.createConnection(443, () => undefined);
  pool.createConnection('443', 'example.com', () => undefined);
  pool.createConnection({ port: 443, host: 'example.com' }, () => undefined);
  expectTypeOf(pool.createConnection).toExtend<typeof createConnection>();
  // @ts-expect-error a listener is a function
  pool.createConnection(443, 'example.com', 5);
  expectTypeOf(pool.sources).toEqualTypeOf<string[]>();
  expectTypeOf(pool.removeSource('192.0.2.1')).toEqualTypeOf<RemovedSource | undefined>();
}

export function adapting(pool: EgressPool): void {
  expectTypeOf(pool.httpAgent({ keepAlive: true, egressKey: 'k' })).toEqualTypeOf<http.Agent>();
  expectTypeOf(pool.httpsAgent({ ca: 'PEM', egressKey: 'k' })).toEqualTypeOf<https.Agent>();
  http.get({ agent: pool.httpAgent(), egressKey: 'k' });
  http.request('http://example.com', { agent: pool.httpAgent(), egressKey: undefined }, () => undefined);
  https.get({ agent: pool.httpsAgent(), egressKey: 'k' });
  https.get('https://example.com', { agent: pool.httpsAgent(), egressKey: 'k', ca: 'PEM' }, () => undefined);
  http.get({ agent: pool.httpAgent({ egressKey: () => 'k', waitForLocalPort: true }), egressKey: () => undefined });
  https.get({ agent: pool.httpsAgent({ egressKey: () => undefined, waitForLocalPort: { timeout: 1 } }) });
  pool.undiciConnector({ egressKey: () => 'k', waitForLocalPort: true });
  // @ts-expect-error a key is a string
  http.get({ agent: pool.httpAgent(), egressKey: 5 });
  // @ts-expect-error unknown option
  https.get({ agent: pool.httpsAgent(), egressKeys: 'k' });
  // @ts-expect-error proxyEnv is refused
  pool.httpAgent({ proxyEnv: { HTTP_PROXY: 'http://proxy:3128' } });
  // @ts-expect-error proxyEnv is refused
  pool.httpsAgent({ proxyEnv: { HTTPS_PROXY: 'http://proxy:3128' } });
  http.get({ createConnection: pool.createConnection });
  void got('https://example.com', { agent: { http: pool.httpAgent(), https: pool.httpsAgent() } });
  new WebSocket('ws://example.com', { createConnection: pool.createConnection });
  new Agent({ connect: pool.undiciConnector({ allowH2: true, ca: 'PEM' }) });
  new Client('https://example.com', { connect: pool.undiciConnector({ egressKey: 'k', timeout: 0 }) });
  new pg.Pool({ stream: () => pool.socket() });
  connector({ localAddress: '192.0.2.1', mark: 7 }).httpAgent();
  // @ts-expect-error unknown option
  connector({ localAdress: '192.0.2.1' });
  // @ts-expect-error the timeout is a number of milliseconds
  pool.undiciConnector({ timeout: '1s' });
}

export function telling(pool: EgressPool, exhausted: EgressExhaustedEvent, closed: EgressClosedEvent): void {
  expectTypeOf(pool.stats).toEqualTypeOf<EgressPoolStats>();
  expectTypeOf(pool.stats.sources).toEqualTypeOf<readonly SourceStats[]>();
  expectTypeOf(pool.stats.held).toEqualTypeOf<number>();
  expectTypeOf(exhausted.cooldown).toEqualTypeOf<number>();
  expectTypeOf(closed.egressKey).toEqualTypeOf<string | undefined>();
  expectTypeOf(pool.stats.cooldown).toEqualTypeOf<number>();
  // @ts-expect-error stats is a getter
  pool.stats();
  expectTypeOf(closed.error).toEqualTypeOf<Error | undefined>();
  // @ts-expect-error stats are read-only
  pool.stats.held = 0;
}
