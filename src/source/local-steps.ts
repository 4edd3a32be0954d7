// The options of a local end as steps of a recipe, in the same order for every kind of socket.
import { ENOPROTOOPT, IPPROTO_MPTCP, SOCK_STREAM } from '../kernel/numbers.js';
import type { PortRange } from '../kernel/sysctl.js';
import { encodeOption, type EncodedOption } from '../options/access.js';
import type { StreamProtocol } from '../options/sockopts.js';
import type { Family } from '../wire/families.js';
import { encodeLocalOptions, type LocalOptionsWithDevice } from './local-options.js';
import type { Step } from './recipe.js';

/** The parts of a local end that are socket options. */
export interface LocalParts extends LocalOptionsWithDevice {
  /** IP_BIND_ADDRESS_NO_PORT: connect(2) picks the port. 'ifAvailable' ignores the error of kernels before 4.2, which lack it. */
  readonly portAtConnect?: boolean | 'ifAvailable' | undefined;
  /** IP_LOCAL_PORT_RANGE */
  readonly range?: PortRange | undefined;
  /** If not set, a kernel without port ranges is accepted: only its search is slower. */
  readonly rangeWanted?: boolean | undefined;
}

/** The first step of a stream socket. */
export function streamSocket(family: Family, protocol: StreamProtocol): Step {
  return { call: 'socket', family, type: SOCK_STREAM, protocol: protocol === 'mptcp' ? IPPROTO_MPTCP : 0 };
}

/** The steps in the order in which the options are set. */
export function localSteps(local: LocalParts, family: Family): Step[] {
  const { portAtConnect, range, rangeWanted } = local;
  const steps: Step[] = [];
  if (portAtConnect !== undefined && portAtConnect !== false) {
    const tolerates = portAtConnect === 'ifAvailable' ? ENOPROTOOPT : undefined;
    steps.push(setOption(encodeOption('IP_BIND_ADDRESS_NO_PORT', true), tolerates));
  }
  if (range !== undefined) {
    steps.push(setOption(encodeOption('IP_LOCAL_PORT_RANGE', range), rangeWanted === true ? undefined : ENOPROTOOPT));
  }
  steps.push(...optionSteps(encodeLocalOptions(local, family)));
  return steps;
}

/** Options as required steps. */
export function optionSteps(options: readonly EncodedOption[]): Step[] {
  return options.map((option) => setOption(option));
}

function setOption(option: EncodedOption, tolerates?: number): Step {
  return { call: 'setsockopt', option, tolerates };
}
