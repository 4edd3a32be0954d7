// Checks of results, for targets.
import { inspect } from 'node:util';
import { THROWN } from './values.mjs';

/** @param {unknown} condition @param {string} rule @param {...unknown} shown */
export function must(condition, rule, ...shown) {
  if (condition) return;
  throw new Error(
    `${rule}${shown.length === 0 ? '' : `: ${shown.map((value) => inspect(value, { maxArrayLength: 64 })).join(', ')}`}`,
  );
}

/**
 * The result, or undefined when the call refused with an error that has a code.
 * @template T @param {() => T} call @param {string} what @returns {T | undefined}
 */
export function refusesWithCode(call, what) {
  try {
    return call();
  } catch (error) {
    if (error !== THROWN && typeof (/** @type {{ code?: unknown } | null} */ (error)?.code) !== 'string') {
      throw new Error(`${what} threw an error without a code: ${inspect(error)}`, { cause: error });
    }
    return undefined;
  }
}
