// Arguments of the examples: --help prints the usage. For wrong arguments an example prints one line and exits with status 2,
// for errors of the system with status 1.
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
  if (text === undefined) return wrongUse(`${name} is required`);
  try {
    return Endpoint.from(text);
  } catch {
    return wrongUse(`${name} must be ADDRESS:PORT, such as 192.0.2.1:7000 or [2001:db8::1]:7000, not '${text}'`);
  }
}

/**
 * @param {string} name of the argument
 * @param {string | undefined} text
 * @param {number} min
 * @param {number} max
 */
export function numberOf(name, text, min, max) {
  const value = Number(text);
  if (text !== undefined && text.trim() !== '' && value >= min && value <= max) return value;
  return wrongUse(`${name} must be a number from ${min} to ${max}, not '${text ?? ''}'`);
}

/**
 * A whole number.
 * @param {string} name of the argument
 * @param {string | undefined} text
 * @param {number} min
 * @param {number} max
 */
export function wholeNumberOf(name, text, min, max) {
  const value = numberOf(name, text, min, max);
  return Number.isInteger(value) ? value : wrongUse(`${name} must be a whole number, not '${text ?? ''}'`);
}

/**
 * Returns what `make` returns. For an error of the package or the kernel the process prints one line and exits; any other
 * error is a bug.
 * @template T
 * @param {() => T} make
 * @returns {T}
 */
export function orEnd(make) {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    // Node's codes for wrong arguments: here they come from the command line.
    if (/^ERR_(INVALID_ARG|OUT_OF_RANGE)/.test(String(error.code))) return wrongUse(error.message);
    process.stderr.write(`${exampleName()}: ${error.message}\n`);
    process.exit(1);
  }
}

/**
 * For examples that parse their arguments with commander, which exits with status 1 for wrong arguments.
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
  process.stderr.write(`${exampleName()}: ${why} (see --help)\n`);
  process.exit(2);
}

function exampleName() {
  return basename(dirname(process.argv[1] ?? ''));
}
