// The descriptor of one attempt: made for its family, set up and bound for its source, then handed to Node's handle.
import { native, type Handle } from '../../binding.js';
import { SyscallError } from '../../errors.js';
import { isUnicast } from '../../kernel/unicast.js';
import { applyOptions, encodeList, encodeOption, type EncodedOption } from '../../options/access.js';
import { Endpoint } from '../../wire/endpoint.js';
import { familyNumber, type Family } from '../../wire/families.js';
import { WILDCARD } from '../../wire/wildcard.js';
import { passedOver } from '../../ports/port-range.js';
import { optionRemedy } from '../../source/remedies.js';
import {
  bindFailure,
  failure,
  familyFailure,
  notUnicastFailure,
  refused,
  socketFailure,
  type Failure,
} from './failure.js';
import type { Source } from '../../source/source.js';
import {
  EADDRINUSE,
  EBADF,
  EINVAL,
  ENODEV,
  ENOPROTOOPT,
  SOCK_STREAM,
  SOL_SOCKET,
  SO_BINDTODEVICE,
} from '../../kernel/numbers.js';

/** What of Node's TCP handle is needed to give it a descriptor. */
export interface Adopter {
  readonly fd: number;
  open(fd: number): number;
}

/** Node's handle while an attempt has it. */
export interface Receiver {
  readonly handle: Adopter;
  /** It has a descriptor. */
  readonly opened: boolean;
  /** Node closes it: a descriptor that it got now would abort the process. */
  readonly closed: boolean;
}

/**
 * Makes a descriptor for the source and gives it to the handle, in the place of the one that it has when `opened`.
 * `mapped`: the destination is an IPv4 address on an IPv6 socket, and so may the source be.
 */
export function install(into: Receiver, source: Source, family: Family, mapped: boolean): Failure | undefined {
  // Making an object for each descriptor costs more than a system call. Not shared while in use: an option's value may
  // be an object whose getters connect.
  const handle = spare ?? new (native().Handle)();
  spare = undefined;
  let given = false;
  try {
    const failed = setUp(handle, source, family, mapped);
    if (failed !== undefined) return failed;
    if (into.closed) return refused('open', EBADF, {});
    if (into.opened) return resultOf('dup3', handle.dup3(into.handle.fd));
    const refusal = give(handle, into.handle);
    given = refusal === undefined;
    return refusal;
  } catch (error) {
    return thrownFailure(error);
  } finally {
    if (!given) handle.close();
    spare = handle;
  }
}

/** The descriptor is Node's from now on; ours again when Node does not want it. */
function give(handle: Handle, into: Adopter): Failure | undefined {
  const fd = handle.detach();
  const unopened = resultOf('open', into.open(fd));
  if (unopened !== undefined) handle.adopt(fd);
  return unopened;
}

/** The address that bind(2) is given, undefined where nothing is bound. */
export function boundAddress(source: Source, family: Family): string | undefined {
  if (source.address !== undefined) return source.address;
  return source.port !== 0 || !source.shareLocalPort ? WILDCARD[family] : undefined;
}

/**
 * The endpoint of a source's address, with port 0.
 * @throws ERR_INVALID_ARG_VALUE: there is no interface of the zone's name, or not any more
 */
export function endpointOf(address: string, name = 'address'): Endpoint {
  let endpoint = endpoints.get(address);
  if (endpoint === undefined) {
    endpoint = Endpoint.from({ address, port: 0 }, name);
    if (endpoint.scopeId === 0) keep(endpoints, address, endpoint); // an interface may get another number
  }
  return endpoint;
}

function setUp(handle: Handle, source: Source, family: Family, mapped: boolean): Failure | undefined {
  const made = handle.socket(familyNumber(family), SOCK_STREAM, 0);
  if (made < 0) return socketFailure(made, source);
  const address = boundAddress(source, family);
  const recipe = recipeOf(source, family, address !== undefined);
  if (handle.setsockopts(recipe.list) < 0) {
    const failed = setOneByOne(handle, recipe, source);
    if (failed !== undefined) return failed;
  }
  if (source.device !== undefined) {
    const set = handle.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, encoder.encode(source.device));
    if (set < 0) return optionFailure('SO_BINDTODEVICE', set);
  }
  applyOptions(handle, source.sockopts);
  return address === undefined ? undefined : bind(handle, address, source, family, mapped);
}

function bind(handle: Handle, address: string, source: Source, family: Family, mapped: boolean): Failure | undefined {
  let endpoint: Endpoint;
  try {
    endpoint = endpointOf(address);
  } catch {
    return bindFailure(ENODEV, address, family, source); // the zone's interface was there when it was given
  }
  const its: Family = endpoint.family === 'ipv6' || endpoint.mapped ? 'ipv6' : 'ipv4';
  if (its !== family && !(mapped && its === 'ipv4' && family === 'ipv6')) return familyFailure(address, family, source);
  if (!isUnicast(endpoint.address, source.device)) return notUnicastFailure(address, source);
  const local = source.port === 0 ? endpoint : endpoint.withPort(source.port);
  let bound = handle.bind(local.sockaddr(family));
  if (bound === EADDRINUSE && source.port === 0) {
    const last = passedOver(source.rangeWanted ? source.range : undefined);
    if (last !== undefined) bound = handle.bind(endpoint.withPort(last).sockaddr(family));
  }
  return bound < 0 ? bindFailure(bound, address, family, source) : undefined;
}

/** The options that a source asks for, one by one and as a list for one call. */
interface Recipe {
  readonly options: readonly EncodedOption[];
  readonly list: Uint8Array;
}

/** Sources come in a row that ask for the same: even a key to look it up by would cost more than a system call. */
function recipeOf(source: Source, family: Family, binds: boolean): Recipe {
  const shares = binds && source.port === 0 && source.shareLocalPort;
  if (
    latest?.family === family &&
    latest.shares === shares &&
    (latest.port === 0) === (source.port === 0) &&
    latest.range[0] === source.range[0] &&
    latest.range[1] === source.range[1] &&
    latest.freebind === source.freebind &&
    latest.transparent === source.transparent &&
    latest.mark === source.mark
  ) {
    return latest.recipe;
  }
  const { port, range, freebind, transparent, mark } = source;
  const key = [family, shares, port === 0, ...range, freebind, transparent, mark].join();
  const recipe = recipes.get(key) ?? makeRecipe(source, family, shares);
  keep(recipes, key, recipe);
  latest = { family, shares, port, range, freebind, transparent, mark, recipe };
  return recipe;
}

function makeRecipe({ port, range, freebind, transparent, mark }: Source, family: Family, shares: boolean): Recipe {
  const options = [
    // As libuv's bind does: a port of one's own choice may be in TIME-WAIT, or have a connection to elsewhere.
    ...(port === 0 ? [] : [encodeOption('SO_REUSEADDR', true)]),
    ...(shares ? [encodeOption('IP_BIND_ADDRESS_NO_PORT', true)] : []),
    ...(port === 0 ? [encodeOption('IP_LOCAL_PORT_RANGE', range)] : []),
    ...(freebind ? [encodeOption(family === 'ipv6' ? 'IPV6_FREEBIND' : 'IP_FREEBIND', true)] : []),
    ...(transparent ? [encodeOption(family === 'ipv6' ? 'IPV6_TRANSPARENT' : 'IP_TRANSPARENT', true)] : []),
    ...(mark === undefined ? [] : [encodeOption('SO_MARK', mark)]),
  ];
  return { options, list: encodeList(options) };
}

/** One of the list has failed: which, and can it be done without? Setting an option once more changes nothing. */
function setOneByOne(handle: Handle, recipe: Recipe, source: Source): Failure | undefined {
  for (const { option, level, name, value } of recipe.options) {
    const set = handle.setsockopt(level, name, value);
    // A kernel without the port range serves those who asked for none: only its search is slower.
    if (set === ENOPROTOOPT && option === 'IP_LOCAL_PORT_RANGE' && !source.rangeWanted) continue;
    if (set < 0) return optionFailure(option, set);
  }
  return undefined;
}

function optionFailure(option: string, errno: number): Failure {
  return refused('setsockopt', errno, { option, ...optionRemedy(option, errno) });
}

/** What applyOptions threw. */
function thrownFailure(error: unknown): Failure {
  if (!(error instanceof Error)) throw error;
  if (!(error instanceof SyscallError)) return failure(EINVAL, error);
  const { option, errno } = error;
  return option !== undefined && optionRemedy(option, errno).reason !== undefined
    ? optionFailure(option, errno)
    : failure(errno, error);
}

function resultOf(syscall: string, result: number): Failure | undefined {
  return result < 0 ? refused(syscall, result, {}) : undefined;
}

function keep<T>(cache: Map<string, T>, key: string, value: T): void {
  if (cache.size >= MOST_KEPT) cache.clear();
  cache.set(key, value);
}

let spare: Handle | undefined;
let latest:
  | (Pick<Source, 'port' | 'range' | 'freebind' | 'transparent' | 'mark'> & {
      readonly family: Family;
      readonly shares: boolean;
      readonly recipe: Recipe;
    })
  | undefined;
const recipes = new Map<string, Recipe>();
const endpoints = new Map<string, Endpoint>();
const MOST_KEPT = 1024;
const encoder = new TextEncoder();
