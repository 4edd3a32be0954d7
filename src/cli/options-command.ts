// `linux-sockets options [NAME]`: the option table, or all that is known of one option.
import { Argument, Command } from 'commander';
import { LEVELS, type OptionRow } from '../options/row.js';
import { findOption, OPTIONS } from '../options/table.js';
import { UsageError } from './parse.js';

export function optionsCommand(): Command {
  return new Command('options')
    .description('List the socket options that are known by name, or describe one.')
    .addArgument(new Argument('[NAME]', 'a kernel name, such as IP_FREEBIND'))
    .option('--json', 'print JSON')
    .action((name: string | undefined, flags: { readonly json?: true }) => {
      const rows = name === undefined ? (Object.entries(OPTIONS) as [string, OptionRow][]) : [one(name)];
      process.stdout.write(flags.json ? asJson(rows, name) : name === undefined ? asList(rows) : asPage(rows));
    });
}

function one(name: string): [string, OptionRow] {
  const known = name.toUpperCase();
  const row = findOption(known);
  if (row === undefined) {
    throw new UsageError(`There is no option '${name}'. \`linux-sockets options\` lists those that there are.`);
  }
  return [known, row];
}

function asJson(rows: readonly [string, OptionRow][], name: string | undefined): string {
  const shown = rows.map(([option, row]) => ({ option, ...row, levelNumber: LEVELS[row.level] }));
  return `${JSON.stringify(name === undefined ? shown : shown[0], undefined, 2)}\n`;
}

function asList(rows: readonly [string, OptionRow][]): string {
  const width = Math.max(...rows.map(([option]) => option.length));
  return rows.map(([option, row]) => `${option.padEnd(width)}  ${row.doc}\n`).join('');
}

function asPage(rows: readonly [string, OptionRow][]): string {
  return rows
    .map(([option, row]) => {
      const facts: readonly (readonly [string, string])[] = [
        ['level, number', `${row.level} (${LEVELS[row.level]}), ${row.name}`],
        ['value', valueOf(row)],
        ['access', row.access === undefined ? 'get and set' : `${row.access} only`],
        ['sockets', [row.families?.join(', ') ?? 'ipv4, ipv6', row.types?.join(', ') ?? 'stream, dgram'].join('; ')],
        ['privilege', row.privilege ?? 'none'],
        ['accepted sockets', row.inherited === true ? 'inherit it' : 'start afresh'],
        ['reads back', row.readBack ?? 'as it was set'],
        ['too late', row.late === undefined ? 'never' : 'once a local port is assigned'],
        ['first kernel', row.since === undefined ? '4.18 or before' : row.since.join('.')],
        ['source', row.source],
      ];
      const lines = facts.map(([name, value]) => `  ${name.padEnd(18)}${value}\n`).join('');
      return `${option}\n  ${row.doc}\n\n${lines}`;
    })
    .join('\n');
}

function valueOf(row: OptionRow): string {
  const bounds = row.min === undefined && row.max === undefined ? '' : `, ${row.min ?? ''} to ${row.max ?? ''}`;
  return `${row.kind}${bounds.trimEnd()}`;
}
