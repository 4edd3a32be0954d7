// Which source comes first, and which comes next when it has no port left. A strategy yields sources, best first, each with
// its addresses, best first; both are pulled one at a time, and usually only one is needed.
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { inspect } from 'node:util';
import { invalidType, invalidValue } from '../arguments.js';
import { SocketError } from '../errors.js';
import type { Endpoint } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import type { PoolSource } from './pool-source.js';

/** What a strategy gets for one attempt. */
export interface StrategyRequest {
  /** Of the destination: only sources of this family are used. */
  readonly family: Family;
  /** The destination of this attempt, with its name resolved. */
  readonly remote: Endpoint;
  /** Whose connection it is, if it has a key. */
  readonly egressKey: string | undefined;
}

/**
 * Returns an address that lies in one of the pool's sources, or an element of `pool.sources` (the addresses of a prefix are
 * then used in turn), or an array of those, best first. Nothing else is tried.
 */
export type StrategyFunction = (request: StrategyRequest) => string | readonly string[];

/**
 * - 'round-robin': the sources in turn, and the addresses of a prefix in turn.
 * - 'random': any source, and any address of a prefix, all with the same probability.
 * - 'least-used': the source with the fewest connections now, and the address of a prefix with the fewest.
 * - 'sticky': the same `egressKey` gets the same source, and the same address of a prefix, in every process, whatever else
 *   is in the pool (rendezvous hashing): a new source takes its share of the keys, and no other key moves. Without a key
 *   the destination's address is used as the key.
 * - a function: see StrategyFunction.
 */
export type Strategy = 'round-robin' | 'random' | 'least-used' | 'sticky' | StrategyFunction;

/** A source, and its addresses in the order in which to try them. */
export type Choice = readonly [source: PoolSource, addresses: Iterable<string>];

/** @param sources those of the request's family, at least one */
export type Choose = (request: StrategyRequest, sources: readonly PoolSource[]) => Iterable<Choice>;

/** A strategy with its own state. @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE */
export function strategyOf(name: string, value: unknown, spill = true): Choose {
  switch (value) {
    case 'round-robin':
      return roundRobin();
    case 'random':
      return random;
    case 'least-used':
      return leastUsed();
    case 'sticky':
      return spill ? sticky : strictlySticky;
    default:
      if (typeof value === 'function') return asked(value as StrategyFunction);
      if (typeof value === 'string') throw invalidValue(name, value, `it must be one of ${WORDS}, or a function`);
      throw invalidType(name, `one of ${WORDS}, or a function`, value);
  }
}

function roundRobin(): Choose {
  const next: Record<Family, number> = { ipv4: 0, ipv6: 0 };
  return function* ({ family }, sources) {
    const start = next[family] % sources.length;
    next[family] = start + 1;
    for (const source of rotated(sources, start)) yield [source, source.inTurn()];
  };
}

function* random(_: StrategyRequest, sources: readonly PoolSource[]): Generator<Choice> {
  const order = [...sources];
  for (let left = order.length; left > 0; left--) {
    const picked = Math.floor(Math.random() * left);
    const source = order[picked];
    const last = order[left - 1];
    if (source === undefined || last === undefined) return;
    order[picked] = last;
    yield [source, source.from(randomBelow(source.prefix.size))];
  }
}

function leastUsed(): Choose {
  const next: Record<Family, number> = { ipv4: 0, ipv6: 0 };
  return function* ({ family }, sources) {
    // Equals in turn, or an idle pool would always use its first source.
    const start = next[family] % sources.length;
    next[family] = start + 1;
    const left = new Set(rotated(sources, start));
    while (left.size > 0) {
      let least: PoolSource | undefined;
      for (const source of left) if (least === undefined || source.held < least.held) least = source;
      if (least === undefined) return;
      left.delete(least);
      yield [least, least.leastUsed()];
    }
  };
}

function* sticky({ egressKey, remote }: StrategyRequest, sources: readonly PoolSource[]): Generator<Choice> {
  const hash = hashOf(egressKey ?? remote.address);
  const start = (source: PoolSource): Choice => [source, source.from(addressNumber(hash, source.prefix.size))];
  const weighed = sources.map((source) => ({ source, weight: weightOf(hash, source) }));
  const heaviest = weighed.reduce((best, other) => (heavier(best, other) <= 0 ? best : other));
  yield start(heaviest.source);
  // The others are seldom needed, so they are only sorted when they are.
  for (const { source } of weighed.sort(heavier)) if (source !== heaviest.source) yield start(source);
}

/** Only the first address of the first source. */
function* strictlySticky(request: StrategyRequest, sources: readonly PoolSource[]): Generator<Choice> {
  for (const [source, addresses] of sticky(request, sources)) {
    for (const address of addresses) {
      yield [source, [address]];
      return;
    }
  }
}

/** The address that 'sticky' tries first for a key. @param sources of one family; undefined without any */
export function stickyAddress(egressKey: string, sources: readonly PoolSource[]): string | undefined {
  if (sources.length === 0) return undefined;
  const hash = hashOf(egressKey);
  const [source] = sources.map((one) => ({ source: one, weight: weightOf(hash, one) })).sort(heavier);
  return source?.source.prefix.at(addressNumber(hash, source.source.prefix.size));
}

interface Weighed {
  readonly source: PoolSource;
  readonly weight: number;
}

function heavier(a: Weighed, b: Weighed): number {
  return b.weight - a.weight || (a.source.text < b.source.text ? -1 : 1);
}

function asked(choose: StrategyFunction): Choose {
  return function* (request, sources) {
    let answer: unknown;
    try {
      answer = choose(request);
    } catch (error) {
      const text = error instanceof Error ? error.message : inspect(error);
      throw new SocketError('ERR_EGRESS_STRATEGY', `The pool's strategy function threw: ${text}`, { cause: error });
    }
    const wanted: readonly unknown[] = Array.isArray(answer) ? answer : [answer];
    // All are checked before the first is tried: a wrong one should show at once, not when ports run short.
    const choices = wanted.map((value) => choiceOf(value, request, sources));
    if (choices.length === 0) throw wrongAnswer(answer, request);
    yield* choices;
  };
}

function choiceOf(value: unknown, request: StrategyRequest, sources: readonly PoolSource[]): Choice {
  if (typeof value === 'string') {
    for (const source of sources) {
      if (source.text === value) return [source, source.inTurn()];
      const index = source.prefix.indexOf(value);
      if (index !== undefined) return [source, [source.prefix.at(index)]];
    }
  }
  throw wrongAnswer(value, request);
}

function wrongAnswer(value: unknown, { family }: StrategyRequest): SocketError {
  const shown =
    typeof value === 'string' && isIP(value.split('/')[0] ?? '') !== 0 ? value : inspect(value, { depth: 0 });
  return new SocketError(
    'ERR_EGRESS_STRATEGY',
    `The pool's strategy function returned ${shown.slice(0, 100)}, which is not an ${family === 'ipv4' ? 'IPv4' : 'IPv6'} ` +
      'address in one of the sources, an element of `pool.sources`, or an array of those.',
  );
}

function* rotated<T>(items: readonly T[], start: number): Generator<T> {
  for (let i = 0; i < items.length; i++) {
    const item = items[(start + i) % items.length];
    if (item !== undefined) yield item;
  }
}

/** 160 random bits, so that the remainder favours no value by more than one in 2^32. */
function randomBelow(size: bigint): bigint {
  if (size === 1n) return 0n;
  let value = 0n;
  for (let bits = 0; bits < 160; bits += 32) value = (value << 32n) | BigInt(Math.floor(Math.random() * 2 ** 32));
  return value % size;
}

/** SHA-256: keys may come from strangers, who should not be able to choose their source. Must never change. */
function hashOf(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}

/** 32 bits of the hashes of the key and the source, mixed (MurmurHash3's finalizer), in [0, 2^32). */
function weightOf(hash: Uint8Array, source: PoolSource): number {
  const mixed = (sourceHashes.get(source) ?? remember(source)) ^ word(hash, 0);
  return mix(mix(mixed) ^ word(hash, 4));
}

function remember(source: PoolSource): number {
  const hash = word(hashOf(source.text), 0);
  sourceHashes.set(source, hash);
  return hash;
}

/** Which address of a prefix a key gets: 128 further bits of its hash, modulo the size. */
function addressNumber(hash: Uint8Array, size: bigint): bigint {
  if (size === 1n) return 0n;
  let value = 0n;
  for (let at = 8; at < 24; at += 4) value = (value << 32n) | BigInt(word(hash, at));
  return value % size;
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}

function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const WORDS = "'round-robin', 'random', 'least-used', 'sticky'";
const sourceHashes = new WeakMap<PoolSource, number>();
