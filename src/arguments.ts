// Checks of what a caller passes, before the kernel is touched. The errors are Node's: ERR_INVALID_ARG_TYPE,
// ERR_INVALID_ARG_VALUE, ERR_INVALID_RETURN_VALUE (TypeErrors) and ERR_OUT_OF_RANGE (a RangeError).
import { inspect, types } from 'node:util';

export function invalidType(name: string, expected: string, value: unknown): TypeError {
  return withCode(
    new TypeError(`The "${name}" argument must be ${expected}. Received ${describe(value)}`),
    'ERR_INVALID_ARG_TYPE',
  );
}

export function invalidValue(name: string, value: unknown, why: string): TypeError {
  return withCode(
    new TypeError(`The "${name}" argument is invalid: ${why}. Received ${describe(value)}`),
    'ERR_INVALID_ARG_VALUE',
  );
}

/** A function of the caller returned something else. */
export function invalidReturn(name: string, expected: string, value: unknown): TypeError {
  return withCode(
    new TypeError(`The "${name}" function must return ${expected}. Returned ${describe(value)}`),
    'ERR_INVALID_RETURN_VALUE',
  );
}

export function outOfRange(name: string, range: string, value: unknown): RangeError {
  return withCode(
    new RangeError(`The value of "${name}" is out of range. It must be ${range}. Received ${describe(value)}`),
    'ERR_OUT_OF_RANGE',
  );
}

/** A whole number between two bounds, both included. */
export function integer(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw invalidType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < min || value > max) throw outOfRange(name, `>= ${String(min)} and <= ${String(max)}`, value);
  return value;
}

export function port(name: string, value: unknown): number {
  return integer(name, value, 0, 65535);
}

export function boolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidType(name, 'of type boolean', value);
  return value;
}

export function string(name: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidType(name, 'of type string', value);
  return value;
}

/**
 * A Uint8Array (or a Buffer) whose memory still exists. A view of a detached buffer looks empty, and sending it would send
 * an empty datagram.
 */
export function bytes(name: string, value: unknown): Uint8Array {
  if (!types.isUint8Array(value)) throw invalidType(name, 'an instance of Uint8Array', value);
  if (!hasMemory(value)) throw invalidValue(name, value, 'its buffer is detached, or too short for it after a resize');
  return value;
}

/** One of several words. */
export function oneOf<T extends string>(name: string, value: unknown, words: readonly T[]): T {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  const list = words.map((word) => `'${word}'`).join(', ');
  throw typeof value === 'string'
    ? invalidValue(name, value, `it must be one of ${list}`)
    : invalidType(name, `one of ${list}`, value);
}

/** An object that is not an array. */
export function object<T>(name: string, value: T): T & object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidType(name, 'of type object', value);
  }
  return value;
}

/** An options object without unknown keys: a misspelt one would be silently ignored. */
export function options<T extends object>(name: string, value: T | undefined, known: readonly (keyof T & string)[]): T {
  const given = object(name, value);
  // Its properties are inherited, so that none would look unknown.
  if (given instanceof AbortSignal) throw invalidType(name, 'an options object, such as { signal }', given);
  for (const key in given) {
    if (Object.hasOwn(given, key) && !known.includes(key)) {
      throw invalidValue(
        `${name}.${key}`,
        (given as Record<string, unknown>)[key],
        `unknown option; expected one of ${known.join(', ')}`,
      );
    }
  }
  return given;
}

/**
 * A copy of an options object, inherited options included. Each option is read once, so that a getter cannot return one
 * value to a check and another one later. Anything but an object is returned unchanged, for the check that follows.
 */
export function readOnce<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof AbortSignal) return value;
  const copy: Record<string, unknown> = {};
  for (const key in value) copy[key] = value[key];
  return copy as T;
}

export function abortSignal(name: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  if (!isAbortSignal(value)) throw invalidType(name, 'an instance of AbortSignal', value);
  return value;
}

/**
 * Filling nothing makes V8 check the view, in 10 ns. Its length is not sufficient: an empty view looks the same, and optimized
 * code has been seen to read the old length of a detached one (Node 20.20, found by fuzzing).
 */
function hasMemory(view: Uint8Array): boolean {
  try {
    fill.call(view, 0, 0, 0);
    return true;
  } catch {
    return false;
  }
}

/** By its shape: a signal may come from another realm. */
function isAbortSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false;
  const { aborted, addEventListener, removeEventListener } = value as Partial<Record<keyof AbortSignal, unknown>>;
  return (
    typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function'
  );
}

function withCode<E extends Error>(error: E, code: string): E {
  return Object.assign(error, { code });
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return `function ${value.name}`;
  const shown = inspect(value, { depth: 0, breakLength: Infinity, maxArrayLength: 4 }).slice(0, 60);
  if (Array.isArray(value)) return shown;
  if (typeof value === 'object') return `an instance of ${value.constructor?.name || 'Object'}`;
  return `type ${typeof value} (${shown})`;
}

// eslint-disable-next-line @typescript-eslint/unbound-method -- of an Uint8Array that may have its own
const fill = Uint8Array.prototype.fill;
