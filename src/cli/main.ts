#!/usr/bin/env node
// The command line, `linux-sockets`: its commands and its exit status. Wrong use prints one line and exits with 2, any
// other failure prints one line and exits with 1.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { optionsCommand } from './options-command.js';
import { reserveCommand } from './reserve-command.js';
import { UsageError } from './parse.js';
import { udpBenchCommand } from './udp-bench-command.js';

const COMMANDS = [reserveCommand, optionsCommand, udpBenchCommand];
const WRONG_USE = 2;

async function main(): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('linux-sockets')
    .description('Socket features of the Linux kernel, from the command line.')
    .version(version);
  for (const command of COMMANDS) program.addCommand(command());
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .configureOutput({ outputError: (text, write) => write(`linux-sockets: ${text.replace(/^error: /, '')}`) });
  }
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = statusOf(error);
    // Commander has printed its own errors already.
    if (!(error instanceof CommanderError)) {
      process.stderr.write(`linux-sockets: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
}

function statusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USE;
  if (error instanceof UsageError || error instanceof TypeError || error instanceof RangeError) return WRONG_USE;
  return 1;
}

/** What reads the output may end before us (`| head`); that is no failure. Any other error is, such as a full disk. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.stderr.write(`linux-sockets: ${error.message}\n`);
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

await main();
