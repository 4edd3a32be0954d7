// All rows, in the order in which they run.
import { NATIVE_SOCKET_CALLS } from './native-socket.mjs';
import { OPTION_CALLS } from './options.mjs';
import { RESERVE_CALLS } from './reserve.mjs';
import { TCP_CALLS } from './tcp.mjs';
import { UDP_CALLS } from './udp.mjs';

export const CALLS = [...OPTION_CALLS, ...NATIVE_SOCKET_CALLS, ...TCP_CALLS, ...RESERVE_CALLS, ...UDP_CALLS];
