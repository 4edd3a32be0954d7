// `linux-sockets options [NAME]`: the option table, or the manual page of one option.
import { Argument, Command } from 'commander';
import { LEVELS, type OptionRow } from '../options/row.js';
import { findOption, OPTIONS } from '../options/table.js';
import { manualPage } from './option-page.js';
import { UsageError } from './parse.js';

export function optionsCommand(): Command {
  return new Command('options')
    .description('List the socket options that are known by name, or describe one.')
    .addArgument(new Argument('[NAME]', 'a kernel name, such as IP_FREEBIND'))
    .option('--json', 'print JSON')
    .action((name: string | undefined, flags: { readonly json?: true }) => {
      process.stdout.write(name === undefined ? list(flags.json) : describe(name.toUpperCase(), name, flags.json));
    });
}

function list(json?: boolean): string {
  const rows = Object.entries(OPTIONS) as [string, OptionRow][];
  if (json) return asJson(rows.map(([name, row]) => withName(name, row)));
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, row]) => `${name.padEnd(width)}  ${row.doc}\n`).join('');
}

function describe(name: string, given: string, json?: boolean): string {
  const row = findOption(name);
  if (row === undefined) {
    throw new UsageError(`Unknown option '${given}'; \`linux-sockets options\` lists the known ones.`);
  }
  return json ? asJson(withName(name, row)) : manualPage(name, row);
}

function withName(option: string, row: OptionRow): object {
  return { option, ...row, levelNumber: LEVELS[row.level] };
}

function asJson(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
