// Creates the descriptor of an attempt, sets it up and binds it for its source, and gives it to Node's handle.
import type { Handle } from '../../binding.js';
import { BoundedMap } from '../../bounded-map.js';
import { EADDRNOTAVAIL, ENODEV } from '../../kernel/numbers.js';
import { isUnicast } from '../../kernel/unicast.js';
import type { PortRange } from '../../kernel/sysctl.js';
import { descriptorIn, isOpen, type TcpHandle } from '../../node/tcp-handle.js';
import { encodeOption } from '../../options/access.js';
import { giveBack, takeHandle } from '../../source/handles.js';
import { failedCall } from '../../source/explain.js';
import { localSteps, optionSteps, streamSocket } from '../../source/local-steps.js';
import type { Recipe, Step } from '../../source/recipe.js';
import { Recipes, type Shape } from '../../source/recipes.js';
import { askedFor, boundAddress, requestedRange, runBound, type Source } from '../../source/source.js';
import { Endpoint } from '../../wire/endpoint.js';
import type { Family } from '../../wire/families.js';
import { callFailure, failureOf, familyFailure, type Failure } from './failure.js';
import { SyscallError } from '../../errors.js';

/** What the descriptor is made for. */
export interface Wanted {
  readonly source: Source;
  readonly family: Family;
  /** The destination is an IPv4-mapped address on an IPv6 socket, so the source may be one as well. */
  readonly mapped: boolean;
  /** The ports to search, among those of the source. @default all of those */
  readonly range?: PortRange | undefined;
}

/** Creates a descriptor and gives it to the handle, replacing the one it has. */
export function install(into: TcpHandle, wanted: Wanted): Failure | undefined {
  const handle = takeHandle();
  try {
    return make(handle, wanted) ?? pass(handle, into);
  } finally {
    giveBack(handle);
  }
}

/** Moves the descriptor to Node's handle, replacing the one it has. */
function pass(handle: Handle, into: TcpHandle): Failure | undefined {
  if (!isOpen(into)) return give(handle, into);
  const replaced = handle.dup3(descriptorIn(into));
  handle.close();
  return resultOf('dup3', replaced);
}

/** The descriptor is Node's from now on; closed when Node does not want it. */
function give(handle: Handle, into: TcpHandle): Failure | undefined {
  const fd = handle.detach();
  const refusal = resultOf('open', into.open(fd));
  if (refusal === undefined) return undefined;
  handle.adopt(fd);
  handle.close();
  return refusal;
}

/** Runs the recipe: socket, options, bind. Node connects. */
function make(handle: Handle, { source, family, mapped, range }: Wanted): Failure | undefined {
  const recipe = RECIPES.of(range === undefined ? source : { ...source, range }, family);
  const address = boundAddress(source, family);
  if (address === undefined) return outcome(recipe.run(handle), recipe, source, family);
  let endpoint: Endpoint;
  try {
    endpoint = sourceEndpoint(address);
  } catch {
    // The interface of the zone no longer exists.
    return callFailure('bind', ENODEV, askedFor(source, 'connect', family));
  }
  const its: Family = endpoint.family === 'ipv6' || endpoint.mapped ? 'ipv6' : 'ipv4';
  if (its !== family && !(mapped && its === 'ipv4' && family === 'ipv6')) return familyFailure(source, family);
  // A socket bound to such an address would send from another one.
  if (!isUnicast(endpoint.address, source.device)) {
    return callFailure('bind', EADDRNOTAVAIL, askedFor(source, 'connect', family));
  }
  const bind = source.port === 0 ? endpoint : endpoint.withPort(source.port);
  return outcome(
    runBound(recipe, handle, { bind, family, range: range ?? requestedRange(source) }),
    recipe,
    source,
    family,
  );
}

function outcome(errno: number, recipe: Recipe, source: Source, family: Family): Failure | undefined {
  if (errno === 0) return undefined;
  const { call, option } = failedCall(recipe.failed);
  return callFailure(call, errno, askedFor(source, 'connect', family), option);
}

/** The steps, without the address of bind. */
function stepsOf({ source, family, binds }: Shape): Step[] {
  const { port, range, rangeWanted, shareLocalPort, freebind, transparent, mark, device, protocol, sockopts } = source;
  const ownPort = port !== 0;
  return [
    streamSocket(family, protocol),
    // As in libuv's bind: an explicit port may be in TIME-WAIT, or used by a connection to another destination.
    ...(ownPort ? optionSteps([encodeOption('SO_REUSEADDR', true)]) : []),
    ...localSteps(
      {
        portAtConnect: binds && !ownPort && shareLocalPort,
        ...(!ownPort && { range, rangeWanted }),
        ...{ freebind, transparent, mark, device },
      },
      family,
    ),
    ...optionSteps(sockopts),
    ...(binds ? [{ call: 'bind' } as const] : []),
  ];
}

/**
 * The endpoint of a source's address, with port 0.
 * @throws ERR_INVALID_ARG_VALUE if the zone's interface does not exist
 */
export function sourceEndpoint(address: string, name = 'address'): Endpoint {
  let endpoint = endpoints.get(address);
  if (endpoint === undefined) {
    endpoint = Endpoint.from({ address, port: 0 }, name);
    if (endpoint.scopeId === 0) endpoints.set(address, endpoint); // the index of an interface may change
  }
  return endpoint;
}

function resultOf(syscall: string, result: number): Failure | undefined {
  return result < 0 ? failureOf(result, new SyscallError(syscall, result)) : undefined;
}

const RECIPES = new Recipes(stepsOf);
const endpoints = new BoundedMap<string, Endpoint>(1024);
