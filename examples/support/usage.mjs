// The arguments of an example: --help prints its usage; wrong use is one line and status 2, what the system refuses one line
// and status 1.
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
 * As numberOf, without a fraction.
 * @param {string} name of the argument
 * @param {string | undefined} text
 * @param {number} least
 * @param {number} most
 */
export function wholeNumberOf(name, text, least, most) {
  const value = numberOf(name, text, least, most);
  return Number.isInteger(value) ? value : wrongUse(`${name} takes a whole number, not '${text ?? ''}'`);
}

/**
 * What `make` returns. An error of the package or of the kernel ends the process with one line; any other is a bug.
 * @template T
 * @param {() => T} make
 * @returns {T}
 */
export function orEnd(make) {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    // Node's codes of wrong arguments: here they are the command line's.
    if (/^ERR_(INVALID_ARG|OUT_OF_RANGE)/.test(String(error.code))) return wrongUse(error.message);
    process.stderr.write(`${exampleName()}: ${error.message}\n`);
    process.exit(1);
  }
}

/**
 * For examples that read their arguments with commander: its own status of wrong use is 1.
 * @template {import('commander').Command} C
 * @param {C} command
 * @returns {C}
 */
export function wrongUseIsTwo(command) {
  return command.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
}

/**
 * @param {string} why
 * @returns {never}
 */
export function wrongUse(why) {
  process.stderr.write(`${exampleName()}: ${why} (--help says more)\n`);
  process.exit(2);
}

function exampleName() {
  return basename(dirname(process.argv[1] ?? ''));
}
