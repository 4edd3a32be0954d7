// Creates the socket of UdpSocket.create with one recipe that sets all options. If the kernel lacks an option of a feature,
// the recipe is run again without that feature, and `features` reports it.
import { native, type Handle } from '../binding.js';
import { EPERM, SOCK_DGRAM } from '../kernel/numbers.js';
import { encodeSockopts } from '../options/sockopts.js';
import { callError, failedCall } from '../source/explain.js';
import { optionSteps } from '../source/local-steps.js';
import { Recipe, type Step } from '../source/recipe.js';
import { udpAsked } from './asked.js';
import { Features, type FeatureOption } from './features.js';
import { featureOptions, readBack, REFUSED, type UdpSocketOptions } from './options.js';

export interface CreatedSocket {
  readonly handle: Handle;
  readonly features: Features;
}

/** @throws SyscallError of socket or setsockopt; ERR_UNSUPPORTED for gso: 'require' if the kernel does not support it */
export function createSocket(options: UdpSocketOptions): CreatedSocket {
  const { family } = options;
  const sockopts = optionSteps(encodeSockopts(options.sockopts, REFUSED));
  const handle = new (native().Handle)();
  const features = new Features(handle);
  let steps = featureOptions(options);
  for (;;) {
    const recipe = new Recipe([
      { call: 'socket', family, type: SOCK_DGRAM, protocol: 0 },
      ...steps.map(stepOf),
      ...sockopts,
    ]);
    const errno = recipe.run(handle);
    if (errno === 0) break;
    const { call, option } = failedCall(recipe.failed);
    const step = steps.find((candidate) => candidate === option);
    if (step === undefined || step.required) throw callError(call, errno, udpAsked(family), { option });
    features.lacks(step, errno);
    steps = steps.filter((other) => other !== step && !sharesFeature(other, step));
  }
  features.has(steps);
  try {
    readBack(handle, features, options);
  } catch (error) {
    handle.close();
    throw error;
  }
  return { handle, features };
}

/** A size beyond the sysctl's limit needs CAP_NET_ADMIN; `features` reports the size that was reached without it. */
function stepOf(option: FeatureOption): Step {
  const optional = !option.required && option.feature === undefined;
  return { call: 'setsockopt', option, tolerates: optional ? EPERM : undefined };
}

/** If one option of a feature fails, its other options are skipped. */
function sharesFeature(one: FeatureOption, other: FeatureOption): boolean {
  return one.feature !== undefined && one.feature === other.feature;
}
