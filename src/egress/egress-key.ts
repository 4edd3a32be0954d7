// The egress key: whose connection it is. A string, or a function that is called once per connection.
import { invalidReturn, invalidType } from '../arguments.js';

/**
 * Whose connection it is: for the 'sticky' strategy, for strategy functions and for events. A function is called once per
 * connection, synchronously, inside the call that makes the connection (`pool.connect()`, `http.request()`, …), so
 * it may read an AsyncLocalStorage. It returns a string, or undefined for a connection without a key; what it throws, that
 * call throws.
 */
export type EgressKey = string | (() => string | undefined);

/** Without calling a function. @throws ERR_INVALID_ARG_TYPE */
export function checkEgressKey(value: unknown): EgressKey | undefined {
  if (value === undefined || typeof value === 'string' || typeof value === 'function') return value as EgressKey;
  throw invalidType(NAME, 'of type string or function', value);
}

/**
 * The key of one connection; calls a function.
 * @throws ERR_INVALID_ARG_TYPE; ERR_INVALID_RETURN_VALUE; what the function throws
 */
export function readEgressKey(value: unknown): string | undefined {
  const key = checkEgressKey(value);
  if (typeof key !== 'function') return key;
  const returned: unknown = key();
  if (returned === undefined || typeof returned === 'string') return returned;
  throw invalidReturn(NAME, 'a string or undefined', returned);
}

const NAME = 'options.egressKey';
