// The arguments of an example: --help prints its usage; wrong use is one line and status 2.
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { Endpoint } from 'linux-sockets';

/** @typedef {NonNullable<import('node:util').ParseArgsConfig['options']>} Options */

/**
 * @template {Options} T
 * @param {string} usage
 * @param {T} options
 */
export function readArguments(usage, options) {
  /** @type {{ [K in keyof T]?: T[K]['type'] extends 'boolean' ? boolean : string } & { help?: boolean }} */
  let values;
  try {
    values = /** @type {any} */ (
      parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h', default: false } } }).values
    );
  } catch (error) {
    return wrongUse(error instanceof Error ? error.message : String(error));
  }
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  return values;
}

/**
 * @param {string} name of the argument
 * @param {string | undefined} text
 */
export function endpointOf(name, text) {
  if (text === undefined) return wrongUse(`${name} is missing`);
  try {
    return Endpoint.from(text);
  } catch {
    return wrongUse(`${name} takes ADDRESS:PORT, such as 192.0.2.1:7000 or [2001:db8::1]:7000, not '${text}'`);
  }
}

/**
 * @param {string} name of the argument
 * @param {string | undefined} text
 * @param {number} least
 * @param {number} most
 */
export function numberOf(name, text, least, most) {
  const value = Number(text);
  if (text !== undefined && text.trim() !== '' && value >= least && value <= most) return value;
  return wrongUse(`${name} takes ${least} to ${most}, not '${text ?? ''}'`);
}

/**
 * @param {string} why
 * @returns {never}
 */
export function wrongUse(why) {
  process.stderr.write(`${basename(dirname(process.argv[1] ?? ''))}: ${why} (--help says more)\n`);
  process.exit(2);
}
