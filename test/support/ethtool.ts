// Features of a network device, as `ethtool -K` sets them; ethtool itself is rarely installed. Generic netlink,
// Documentation/networking/ethtool-netlink.rst.
import { native, type Handle } from '../../src/binding.js';
import { check } from '../../src/errors.js';

/** Turns features of a device on or off: `tx-udp-segmentation`, `tx-checksum-ip-generic`, as `ethtool -k` names them. */
export function setFeatures(device: string, features: Readonly<Record<string, boolean>>): void {
  const handle = new (native().Handle)();
  check('socket', handle.socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC));
  try {
    const [family] = attributes(
      request(handle, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, [text(CTRL_ATTR_FAMILY_NAME, 'ethtool')]),
    )
      .filter(({ type }) => type === CTRL_ATTR_FAMILY_ID)
      .map(({ data }) => data.readUInt16LE(0));
    if (family === undefined) throw new Error('the kernel has no ethtool over netlink');
    const bits = Object.entries(features).map(([name, on]) =>
      nested(BITS_BIT, [text(BIT_NAME, name), ...(on ? [attribute(BIT_VALUE, Buffer.alloc(0))] : [])]),
    );
    request(handle, family, FEATURES_SET, [
      nested(FEATURES_HEADER, [text(HEADER_DEV_NAME, device)]),
      nested(FEATURES_WANTED, [nested(BITSET_BITS, bits)]),
    ]);
  } finally {
    handle.close();
  }
}

/** Sends a request and returns the attributes of the answer; throws when the kernel refuses it. */
function request(handle: Handle, type: number, command: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from([command, 1, 0, 0]), ...parts]);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(NLM_F_REQUEST | NLM_F_ACK, 6);
  check('sendmsg', handle.sendmsg([header, body], NONE, NONE, 0));
  let answer: Buffer = Buffer.alloc(0);
  for (;;) {
    const buffer = Buffer.alloc(65536);
    const length = check('recvmsg', handle.recvmsg([buffer], NONE, NONE, 0, new Uint8Array(12)));
    for (let at = 0; at < length; at += (buffer.readUInt32LE(at) + 3) & ~3) {
      if (buffer.readUInt16LE(at + 4) !== NLMSG_ERROR) answer = buffer.subarray(at + 20, at + buffer.readUInt32LE(at));
      else {
        check('netlink', buffer.readInt32LE(at + 16));
        return answer;
      }
    }
  }
}

function attributes(data: Buffer): { type: number; data: Buffer }[] {
  const found = [];
  for (let at = 0; at + 4 <= data.length; at += (data.readUInt16LE(at) + 3) & ~3) {
    found.push({ type: data.readUInt16LE(at + 2) & 0x3fff, data: data.subarray(at + 4, at + data.readUInt16LE(at)) });
  }
  return found;
}

function attribute(type: number, data: Buffer): Buffer {
  const padded = Buffer.alloc((4 + data.length + 3) & ~3);
  padded.writeUInt16LE(4 + data.length, 0);
  padded.writeUInt16LE(type, 2);
  data.copy(padded, 4);
  return padded;
}

function nested(type: number, parts: readonly Buffer[]): Buffer {
  return attribute(type | 0x8000, Buffer.concat(parts)); // NLA_F_NESTED
}

function text(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`));
}

const NONE = new Uint8Array(0);
const [AF_NETLINK, SOCK_RAW, NETLINK_GENERIC] = [16, 3, 16];
const [NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR] = [1, 4, 2];
const [GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME] = [16, 3, 1, 2];
const [FEATURES_SET, FEATURES_HEADER, FEATURES_WANTED, HEADER_DEV_NAME] = [12, 1, 3, 2];
const [BITSET_BITS, BITS_BIT, BIT_NAME, BIT_VALUE] = [3, 1, 2, 3];
