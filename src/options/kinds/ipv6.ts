// Kinds of values of IPv6: the sticky interface (struct in6_pktinfo), the path MTU, flow labels (struct in6_flowlabel_req).
import { boolean, integer, oneOf, options } from '../../arguments.js';
import { readIPv6 } from '../../wire/address.js';
import { LITTLE_ENDIAN } from '../../wire/byte-order.js';
import { readPathMtu, type PathMtu } from '../../wire/messages/path-mtu.js';
import { struct, unreadable, unwritable, viewOf, type Codec } from './codec.js';
import { indexOf, ipv6Of, putIPv6, type Interface } from './interface.js';

/** Sharing modes of a flow label: IPV6_FL_S_*. */
const SHARES = { none: 0, exclusive: 1, process: 2, user: 3, any: 255 } as const;

/** A flow label that this socket holds. */
export interface FlowLabel {
  readonly destination: string;
  /** 20 bits. */
  readonly label: number;
  readonly share: keyof typeof SHARES;
  /** Seconds. */
  readonly expires: number;
  /** Seconds that the label is kept after its last use. */
  readonly linger: number;
}

/** A request to get, release or renew a flow label: struct in6_flowlabel_req. */
export interface FlowLabelRequest {
  readonly action: 'get' | 'put' | 'renew';
  /** Destination address of the label. @default '::' */
  readonly destination?: string;
  /** 20 bits. */
  readonly label: number;
  /** @default 'none' */
  readonly share?: keyof typeof SHARES;
  /** Create the label if it does not exist. @default false */
  readonly create?: boolean;
  /** Fail if the label already exists. @default false */
  readonly exclusive?: boolean;
  /** Reply with the label that the peer uses; on connected TCP sockets. @default false */
  readonly reflect?: boolean;
  /** Seconds. @default 0 */
  readonly expires?: number;
  /** Seconds that the label is kept after its last use. @default 0: six seconds */
  readonly linger?: number;
}

/** The kernel uses only the interface of struct in6_pktinfo: it stores the address and does not send from it. */
export const stickyInterface: Codec<never, Interface> = {
  size: 20,
  decode: unreadable,
  encode: (value, name) => struct(20, (view) => view.setInt32(16, indexOf(value, name), LITTLE_ENDIAN)),
};

export const pathMtu: Codec<PathMtu, never> = {
  size: 32,
  decode: (value) => readPathMtu(value) ?? { mtu: 0 },
  encode: unwritable,
};

export const flowLabel: Codec<FlowLabel, FlowLabelRequest> = {
  size: 32,
  decode: (value) => {
    const view = viewOf(value);
    const share = view.getUint8(21);
    return {
      destination: readIPv6(value, 0),
      label: view.getUint32(16) & MAX_LABEL,
      share: SHARE_NAMES.find((name) => SHARES[name] === share) ?? 'none',
      expires: view.getUint16(24, LITTLE_ENDIAN),
      linger: view.getUint16(26, LITTLE_ENDIAN),
    };
  },
  encode: (value, name) => {
    options(name, value, REQUEST_FIELDS);
    const { action, destination = '::', label, share = 'none', expires = 0, linger = 0 } = value;
    return struct(32, (view, bytes) => {
      putIPv6(ipv6Of(destination, `${name}.destination`), bytes, 0);
      view.setUint32(16, integer(`${name}.label`, label, 0, MAX_LABEL));
      view.setUint8(20, ACTIONS.indexOf(oneOf(`${name}.action`, action, ACTIONS)));
      view.setUint8(21, SHARES[oneOf(`${name}.share`, share, SHARE_NAMES)]);
      const flags = FLAG_FIELDS.map((field, i) => (boolean(`${name}.${field}`, value[field] ?? false) ? 1 << i : 0));
      view.setUint16(
        22,
        flags.reduce((sum, flag) => sum | flag, 0),
        LITTLE_ENDIAN,
      );
      view.setUint16(24, integer(`${name}.expires`, expires, 0, 65535), LITTLE_ENDIAN);
      view.setUint16(26, integer(`${name}.linger`, linger, 0, 65535), LITTLE_ENDIAN);
    });
  },
};

const SHARE_NAMES = Object.keys(SHARES) as (keyof typeof SHARES)[];
/** By their numbers, IPV6_FL_A_*. */
const ACTIONS = ['get', 'put', 'renew'] as const;
/** In the order of IPV6_FL_F_*. */
const FLAG_FIELDS = ['create', 'exclusive', 'reflect'] as const;
const REQUEST_FIELDS = ['action', 'destination', 'label', 'share', 'expires', 'linger', ...FLAG_FIELDS] as const;
const MAX_LABEL = 0xfffff;
