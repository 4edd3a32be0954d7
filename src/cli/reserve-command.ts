// `linux-sockets reserve`: reserves ports, prints their 4-tuples, and holds them until Ctrl-C.
import { Command } from 'commander';
import type { PortRange } from '../kernel/sysctl.js';
import { getOption } from '../options/access.js';
import type { PortReservation } from '../reserve/port-reservation.js';
import { reserveMany } from '../reserve/reserve.js';
import type { Endpoint } from '../wire/endpoint.js';
import { readerGone } from './reader-gone.js';
import { parseCount, parseEndpoint, parseLocal, parseRange } from './parse.js';

interface Flags {
  readonly remote: Endpoint;
  readonly local?: Endpoint;
  readonly range?: PortRange;
  readonly count: number;
  readonly shareLocalPort: boolean;
  readonly freebind?: true;
  readonly transparent?: true;
  readonly json?: true;
}

export function reserveCommand(): Command {
  return new Command('reserve')
    .description('Reserve local TCP ports toward a destination until Ctrl-C, without sending a packet.')
    .requiredOption('--remote <ADDRESS:PORT>', 'the destination', parseEndpoint)
    .option('--local <ADDRESS[:PORT]>', 'the local address, optionally with a port', parseLocal)
    .option('--range <LO-HI>', 'local ports to choose from, within net.ipv4.ip_local_port_range', parseRange)
    .option('--count <N>', 'number of ports', parseCount, 1)
    .option('--no-share-local-port', 'do not let connections to other destinations use the ports')
    .option('--freebind', 'allow a --local address that is not assigned to this host')
    .option('--transparent', 'allow a --local address of another host (needs CAP_NET_ADMIN or CAP_NET_RAW)')
    .option('--json', 'print one JSON object per line')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  linux-sockets reserve --remote 1.1.1.1:53\n' +
        '  linux-sockets reserve --remote [2001:db8::1]:443 --local 2001:db8::2 --range 40000-40999 --count 10 --json\n',
    )
    .action(async (flags: Flags) => {
      const reservations = reserveMany(flags.count, optionsOf(flags));
      const ended = new AbortController();
      const stopped = Promise.race([untilSignal(), readerGone(ended.signal)]);
      process.stdout.write(reservations.map(flags.json ? asJson : asText).join(''));
      note(
        flags,
        `Holding ${plural(reservations.length)}. Press Ctrl-C to release ${reservations.length === 1 ? 'it' : 'them'}.\n`,
      );
      const watching = watch(reservations);
      await stopped;
      ended.abort();
      clearInterval(watching);
      for (const reservation of reservations) reservation.release();
      note(flags, `\nReleased ${plural(reservations.length)}; no packet was sent.\n`);
    });
}

function optionsOf(flags: Flags): Parameters<typeof reserveMany>[1] {
  return {
    remote: flags.remote,
    ...(flags.local !== undefined && { local: flags.local }),
    ...(flags.range !== undefined && { localPortRange: flags.range }),
    shareLocalPort: flags.shareLocalPort,
    freebind: flags.freebind ?? false,
    transparent: flags.transparent ?? false,
  };
}

function asText(reservation: PortReservation): string {
  const { state, segsOut } = getOption(reservation, 'TCP_INFO');
  return `${reservation.toString()}  ${state}, ${segsOut} packets sent\n`;
}

function asJson(reservation: PortReservation): string {
  const { state: tcpState, segsOut } = getOption(reservation, 'TCP_INFO');
  const { local, remote, state } = reservation;
  const shown = {
    local: { address: local.address, port: local.port },
    remote: { address: remote.address, port: remote.port },
    state,
    tcpState,
    segsOut,
  };
  return `${JSON.stringify(shown)}\n`;
}

/** Resolves at the first signal to end. */
async function untilSignal(): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}

/** Reports reservations that are lost, for example to `ss -K`. The timer also keeps the process running. */
function watch(reservations: readonly PortReservation[]): NodeJS.Timeout {
  const held = new Set(reservations);
  return setInterval(() => {
    for (const reservation of held) {
      if (reservation.verify()) continue;
      held.delete(reservation);
      process.stderr.write(`linux-sockets: ${reservation.local.toString()} was lost: ${reservation.state}\n`);
    }
  }, 1000);
}

/** With --json, standard output is JSON and nothing else. */
function note(flags: Flags, text: string): void {
  if (!flags.json) process.stdout.write(text);
}

function plural(count: number): string {
  return count === 1 ? '1 port' : `${count} ports`;
}
