// Creates the socket of UdpSocket.create with one recipe that sets all options. If the kernel lacks an option of a feature,
// the recipe is run again without that feature, and `features` reports it.
import { native, type Handle } from '../binding.js';
import { SOCK_DGRAM } from '../kernel/numbers.js';
import { encodeSockopts } from '../options/sockopts.js';
import { callError, type Asked } from '../source/explain.js';
import { optionSteps } from '../source/local-steps.js';
import { Recipe } from '../source/recipe.js';
import type { Family } from '../wire/families.js';
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
      ...optionSteps(steps),
      ...sockopts,
    ]);
    const errno = recipe.run(handle);
    if (errno === 0) break;
    const { failed } = recipe;
    if (failed?.call !== 'setsockopt') throw callError('socket', errno, askedFor(family));
    const step = steps.find((candidate) => candidate === failed.option);
    if (step === undefined || step.required) {
      throw callError('setsockopt', errno, askedFor(family), { option: failed.option });
    }
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

/** If one option of a feature fails, its other options are skipped. */
function sharesFeature(one: FeatureOption, other: FeatureOption): boolean {
  return one.feature !== undefined && one.feature === other.feature;
}

function askedFor(family: Family): Asked {
  return { by: 'UdpSocket', family, protocol: 'udp', port: 0 };
}
