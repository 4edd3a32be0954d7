// Asked: what was asked for when a call failed, which decides what its errno means.
import { intOption } from '../kernel/int-option.js';
import { IPPROTO_IP, IP_TRANSPARENT, SCM_TXTIME, SOL_SOCKET, SO_BINDTODEVICE } from '../kernel/numbers.js';
import type { PortRange } from '../kernel/sysctl.js';
import { localEnd, rangeOf } from '../options/local-endpoint.js';
import type { OptionAccess } from '../options/target.js';
import { decodeControl } from '../wire/control.js';
import type { Endpoint } from '../wire/endpoint.js';
import type { Family } from '../wire/families.js';

/** The calling API, which the remedy depends on. */
export type Caller = 'connect' | 'reserve' | 'listen' | 'UdpSocket' | 'NativeSocket';

/** The context of a failed call, as far as known. */
export interface Asked {
  readonly by: Caller;
  /** The family of the socket. */
  readonly family: Family;
  /** @default 'tcp' */
  readonly protocol?: 'tcp' | 'mptcp' | 'udp' | undefined;
  /** The local address, with its zone; undefined if the kernel picks it. */
  readonly local?: string | undefined;
  /** The local port; 0 if the kernel picks it. */
  readonly port: number;
  /** Whether the socket had a port before the failed call. @default port !== 0 */
  readonly portBound?: boolean | undefined;
  readonly remote?: Endpoint | undefined;
  /** The ports to pick from. @default all */
  readonly range?: PortRange | undefined;
  readonly transparent?: boolean | undefined;
  readonly device?: string | undefined;
  readonly inWorker?: boolean | undefined;
  /** Of a send. */
  readonly send?: AskedOfSend | undefined;
}

/** What a failed send adds. */
export interface AskedOfSend {
  /** Whether `local` is the source of this datagram alone, from a control message. */
  readonly hasFrom: boolean;
  readonly hasTransmitTime: boolean;
  /** Whether it was to be segmented by the kernel or not at all. */
  readonly gsoRequired: boolean;
  /** Bytes of the datagram, or of each of its segments. */
  readonly length: number;
  /** Bytes, headers included, where it is known. */
  readonly mtu?: number | undefined;
}

type Reader = Pick<OptionAccess, 'getsockname' | 'getsockopt'>;

/** What a socket that exists has been asked for, as the kernel reports it. */
export function askedOf(socket: Reader, asked: Pick<Asked, 'by' | 'family' | 'protocol'>): Asked {
  const local = localEnd(socket);
  return {
    ...asked,
    local: local?.address,
    port: local?.port ?? 0,
    range: rangeOf(socket),
    // One flag for both families.
    transparent: intOption(socket, IPPROTO_IP, IP_TRANSPARENT) === 1,
    device: deviceOf(socket),
  };
}

/** The same of a bind of the socket to another end. */
export function forBind(asked: Asked, to: Endpoint): Asked {
  return { ...asked, local: to.address, port: to.port, portBound: asked.port !== 0 };
}

/**
 * The same of a send, whose control messages may name another source.
 * @param control as for sendmsg(2)
 */
export function askedOfSend(
  asked: Asked,
  remote: Endpoint | undefined,
  control: Uint8Array,
  send: Omit<AskedOfSend, 'hasFrom' | 'hasTransmitTime'>,
): Asked {
  let from: string | undefined;
  let hasTransmitTime = false;
  for (const message of decodeControl(control)) {
    if (message.type === 'IP_PKTINFO' || message.type === 'IPV6_PKTINFO') {
      const { source } = message.value;
      if (source !== undefined && source !== '0.0.0.0' && source !== '::') from = source;
    } else if ('level' in message && message.level === SOL_SOCKET && message.type === SCM_TXTIME)
      hasTransmitTime = true;
  }
  const hasFrom = from !== undefined;
  return { ...asked, ...(hasFrom && { local: from }), remote, send: { ...send, hasFrom, hasTransmitTime } };
}

function deviceOf(socket: Reader): string | undefined {
  const length = socket.getsockopt(SOL_SOCKET, SO_BINDTODEVICE, name);
  return length > 1 ? Buffer.from(name.subarray(0, length - 1)).toString() : undefined;
}

/** IFNAMSIZ, the zero byte included. */
const name = new Uint8Array(16);
