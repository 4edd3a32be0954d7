// `linux-sockets udp-bench`: measures how many datagrams this machine sends and receives per second, in each mode.
import { cpus, release } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { measure, type Measurement, type Way } from './udp-bench/measure.js';

interface Flags {
  readonly seconds: number;
  readonly size: number;
  readonly json?: true;
}

interface Row {
  readonly title: string;
  readonly way: Way;
  readonly gro: boolean;
}

export function udpBenchCommand(): Command {
  return new Command('udp-bench')
    .description('Measure how fast this machine sends and receives UDP over loopback, one datagram per call and many.')
    .option('--seconds <N>', 'how long each of the four rows is measured', parseSeconds, 1)
    .option('--size <BYTES>', 'size of a datagram, without headers', parseSize, 1200)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nCPU is microseconds per datagram, of the sending and of the receiving process. Lost datagrams did not fit into the\n' +
        'queue of the receiver, because the sender was faster.\n' +
        '\nExample:\n  linux-sockets udp-bench --seconds 3 --size 1452\n',
    )
    .action(async ({ seconds, size, json }: Flags) => {
      if (!json) process.stdout.write(`${head(size)}\n${columns(HEADINGS)}\n`);
      const rows: (Measurement & { readonly title: string })[] = [];
      for (const { title, way, gro } of ROWS) {
        const measured = await measure(way, gro, size, seconds, (rate) => show(json, title, rate));
        rows.push({ title, ...measured });
        if (!json) process.stdout.write(`${clear()}${columns(cells(title, measured))}\n`);
      }
      if (json) process.stdout.write(`${JSON.stringify({ ...machine(), size, seconds, rows }, undefined, 2)}\n`);
    });
}

/** A progress line, which the row then overwrites. */
function show(json: true | undefined, title: string, rate: number): void {
  if (!json && process.stdout.isTTY) process.stdout.write(`${clear()}${columns([title, thousands(rate)])} …`);
}

function clear(): string {
  return process.stdout.isTTY ? '\r\u001b[K' : '';
}

function machine() {
  const processors = cpus();
  return { kernel: release(), node: process.version, cpu: processors[0]?.model ?? 'unknown', cores: processors.length };
}

function head(size: number): string {
  const { kernel, node, cpu, cores } = machine();
  return `UDP over loopback, ${size} bytes per datagram. Linux ${kernel}, Node ${node}, ${cores} × ${cpu}.\n`;
}

function cells(title: string, { sent, received, lost, perCall }: Measurement): string[] {
  return [
    title,
    thousands(sent.rate),
    sent.gbits.toFixed(2),
    sent.cpu.toFixed(2),
    thousands(received.rate),
    received.gbits.toFixed(2),
    received.cpu.toFixed(2),
    `${(lost * 100).toFixed(0)} %`,
    perCall.toFixed(0),
  ];
}

function columns([title = '', ...others]: readonly string[]): string {
  return [title.padEnd(TITLE_WIDTH), ...others.map((text, i) => text.padStart(HEADINGS[i + 1]?.length ?? 0))].join(
    '  ',
  );
}

function thousands(rate: number): string {
  return Math.round(rate).toLocaleString('en-US');
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds < 0.1 || seconds > 3600) {
    throw new InvalidArgumentError('Expected a number of seconds from 0.1 to 3600.');
  }
  return seconds;
}

function parseSize(text: string): number {
  const size = Number(text);
  if (!/^\d+$/.test(text) || size < 1 || size > MAX_SIZE) {
    throw new InvalidArgumentError(`Expected a number of bytes from 1 to ${MAX_SIZE}.`);
  }
  return size;
}

const ROWS: readonly Row[] = [
  { title: 'one a call', way: 'single', gro: false },
  { title: 'batches of 64', way: 'batch', gro: false },
  { title: 'GSO', way: 'gso', gro: false },
  { title: 'GSO, receiver with GRO', way: 'gso', gro: true },
];
const HEADINGS = [
  '',
  '    sent/s',
  'Gbit/s',
  'CPU µs',
  'received/s',
  'Gbit/s',
  'CPU µs',
  ' lost',
  'sent per call',
] as const;
const TITLE_WIDTH = 22;
/** Bytes: one datagram of IPv4. */
const MAX_SIZE = 65_472;
