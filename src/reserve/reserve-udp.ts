// reserveUdp: reserves a local UDP port toward one destination, with a socket that is connected to it. Nothing is sent:
// connect(2) of a datagram socket only sets the peer.
import { boolean, invalidValue, object, options as checkOptions } from '../arguments.js';
import { native } from '../binding.js';
import { EADDRNOTAVAIL, SOCK_DGRAM } from '../kernel/numbers.js';
import { isUnicast } from '../kernel/unicast.js';
import { encodeSockopts } from '../options/sockopts.js';
import type { DatagramSocketOptions } from '../options/table.js';
import { choosePort, contains, type PortChoice } from '../ports/port-range.js';
import type { Asked } from '../source/asked.js';
import { failedCall, outerError } from '../source/explain.js';
import { checkLocalOptions } from '../source/local-options.js';
import { localSteps, optionSteps } from '../source/local-steps.js';
import { Recipe } from '../source/recipe.js';
import { Endpoint } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';
import { endsOf, outsideRange, refuseDevice, RESERVATION_OPTIONS, type ReservationOptions } from './ends.js';
import type { OffloadOption } from '../udp/options.js';
import { LOSES_GUARANTEE, SET_BY_RESERVE_UDP, type NotOfReservations } from './guarantee.js';
import { fromHandle } from './internal.js';
import { UdpReservation } from './udp-reservation.js';

export interface ReserveUdpOptions extends ReservationOptions {
  /** `true` is refused: Linux cannot reserve one UDP port toward several destinations. @default false */
  readonly shareLocalPort?: false | undefined;
  /** Set before bind. Not SO_REUSEADDR, SO_REUSEPORT and SO_BINDTODEVICE, which would break the guarantee, nor UDP_GRO. */
  readonly sockopts?: Omit<DatagramSocketOptions, NotOfReservations | OffloadOption> | undefined;
}

/**
 * Reserves a local UDP port toward `remote` without sending anything: no other socket can bind the port on this address, or
 * on all addresses, whatever its options. From now on datagrams from `remote` are queued for `toUdpSocket`, and others are
 * rejected. Unlike with TCP's `reserve`, a port is not shared between destinations, so an address has room for as many
 * reservations as there are ports.
 * @throws ERR_PORT_RANGE_EXHAUSTED if no port is free, with the kernel's error (EAGAIN of connect) as `cause`; SyscallError:
 * EADDRINUSE (the port of `local` is taken), EADDRNOTAVAIL (not an address of this host, or a broadcast or multicast one),
 * ENETUNREACH, EHOSTUNREACH, EACCES, EPERM (transparent), EMFILE; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 */
export function reserveUdp(options: ReserveUdpOptions): UdpReservation {
  const { recipe, asked, family, remote, choice } = planOf(options);
  const { local } = asked;
  if (local !== undefined && !isUnicast(local)) throw outerError('bind', EADDRNOTAVAIL, asked);
  const handle = new (native().Handle)();
  const errno = recipe.run(handle);
  if (errno !== 0) {
    const { call, ...details } = failedCall(recipe.failed);
    throw outerError(call, errno, asked, details);
  }
  try {
    const held = Endpoint.decode(recipe.name, recipe.nameLength);
    if (held === undefined || (choice.rangeWanted && !contains(choice.range, held.port))) {
      throw outsideRange(asked, choice.range, held);
    }
    return UdpReservation[fromHandle](handle, { family, local: held, remote });
  } catch (error) {
    handle.close();
    throw error;
  }
}

interface Plan {
  readonly family: Family;
  readonly remote: Endpoint;
  readonly choice: PortChoice;
  readonly recipe: Recipe;
  readonly asked: Asked;
}

function planOf(options: ReserveUdpOptions): Plan {
  refuseDevice(object('options', options));
  checkOptions('options', options, RESERVATION_OPTIONS);
  const { family, remote, local } = endsOf(options);
  const { shareLocalPort = false, localPortRange } = options;
  if (boolean('options.shareLocalPort', shareLocalPort)) {
    throw invalidValue(
      'options.shareLocalPort',
      shareLocalPort,
      'Linux cannot reserve a UDP port for several destinations',
    );
  }
  const { freebind, transparent, mark } = checkLocalOptions(options);
  const sockopts = encodeSockopts(options.sockopts, REFUSED);
  const choice = choosePort(local?.port ?? 0, localPortRange, false, 'options.local.port');
  const range = localPortRange === undefined ? undefined : choice.range;
  const recipe = new Recipe([
    { call: 'socket', family, type: SOCK_DGRAM, protocol: 0 },
    // So that the port is picked when the destination is known. Older kernels pick it in bind, with the same result.
    ...localSteps({ portAtConnect: 'ifAvailable', range, rangeWanted: true, freebind, transparent, mark }, family),
    ...optionSteps(sockopts),
    ...(local === undefined ? [] : [{ call: 'bind' } as const]),
    { call: 'connect' },
    { call: 'getsockname' },
  ]);
  if (local !== undefined) recipe.bindTo(local.sockaddr(family));
  recipe.connectTo(remote, family);
  const asked: Asked = {
    ...{ by: 'reserve', family, protocol: 'udp', remote, range, transparent },
    ...{ local: local?.address, port: local?.port ?? 0 },
  };
  return { family, remote, choice, recipe, asked };
}

const REFUSED: ReadonlyMap<string, string> = new Map([...LOSES_GUARANTEE, ...SET_BY_RESERVE_UDP]);
