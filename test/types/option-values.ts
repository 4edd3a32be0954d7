// Types of structured option values, checked by `npm run types` and never run: a wrong value does not compile, the
// types for reading and setting may differ, and the types that editors show agree with the table.
import { expectTypeOf } from 'vitest';
import {
  getOption,
  NativeSocket,
  setOption,
  steerByCpu,
  type BpfInstruction,
  type FlowLabel,
  type MemoryInfo,
  type OPTIONS,
  type OptionName,
  type OptionValues,
  type ReadableOptionName,
  type ReceivedControlMessage,
  type SocketOptions,
  type Timestamping,
  type WritableOptionName,
} from '../../src/index.js';

declare const socket: NativeSocket;

export function everyRowHasItsType(): void {
  expectTypeOf<OptionName>().toEqualTypeOf<keyof OptionValues>();
  expectTypeOf<OptionName>().toEqualTypeOf<ReadableOptionName | WritableOptionName>();
  type GetOnly = { [N in OptionName]: (typeof OPTIONS)[N] extends { readonly access: 'get' } ? N : never }[OptionName];
  type SetOnly = { [N in OptionName]: (typeof OPTIONS)[N] extends { readonly access: 'set' } ? N : never }[OptionName];
  expectTypeOf<GetOnly>().toEqualTypeOf<Exclude<OptionName, WritableOptionName>>();
  expectTypeOf<SetOnly>().toEqualTypeOf<Exclude<OptionName, ReadableOptionName>>();
}

export function structsThatAreSet(): void {
  setOption(socket, 'IP_ADD_MEMBERSHIP', { group: '239.1.2.3', interface: 'eth0' });
  setOption(socket, 'MCAST_JOIN_SOURCE_GROUP', { group: 'ff3e::1', source: '2001:db8::1', interface: 2 });
  setOption(socket, 'SO_TXTIME', { clock: 'CLOCK_TAI', deadline: true });
  setOption(socket, 'SO_TIMESTAMPING', { flags: ['RX_SOFTWARE', 'SOFTWARE'] });
  setOption(socket, 'SO_ATTACH_REUSEPORT_CBPF', steerByCpu(4));
  setOption(socket, 'SO_MAX_PACING_RATE', Infinity);
  setOption(socket, 'TCP_MD5SIG', { peer: '192.0.2.1', key: Buffer.from('secret') });
  setOption(socket, 'TCP_REPAIR', 'off-without-probe');
  setOption(socket, 'IPV6_HOPOPTS', new Uint8Array(8));
  setOption(socket, 'SO_DETACH_FILTER', true);

  // @ts-expect-error a group is required
  setOption(socket, 'IP_ADD_MEMBERSHIP', { interface: 'eth0' });
  // @ts-expect-error a misspelt key
  setOption(socket, 'IP_ADD_MEMBERSHIP', { group: '239.1.2.3', iface: 'eth0' });
  // @ts-expect-error a source is required
  setOption(socket, 'MCAST_JOIN_SOURCE_GROUP', { group: 'ff3e::1' });
  // @ts-expect-error CLOCK_BOOTTIME is not a clock of SO_TXTIME
  setOption(socket, 'SO_TXTIME', { clock: 'CLOCK_BOOTTIME' });
  // @ts-expect-error RX_SOFTWARES is not a flag of SO_TIMESTAMPING
  setOption(socket, 'SO_TIMESTAMPING', { flags: ['RX_SOFTWARES'] });
  // @ts-expect-error an instruction has four fields
  setOption(socket, 'SO_ATTACH_FILTER', [{ code: 6, k: 1 }]);
  // @ts-expect-error a rate is a number
  setOption(socket, 'SO_MAX_PACING_RATE', 10n);
  // @ts-expect-error a key is bytes
  setOption(socket, 'TCP_MD5SIG', { peer: '192.0.2.1', key: 'secret' });
  // @ts-expect-error 'off' is not a mode of TCP_REPAIR
  setOption(socket, 'TCP_REPAIR', 'off');
  // @ts-expect-error SO_DETACH_FILTER cannot be turned off
  setOption(socket, 'SO_DETACH_FILTER', false);
  // @ts-expect-error SO_MEMINFO is read-only
  setOption(socket, 'SO_MEMINFO', {});
  // @ts-expect-error IP_ADD_MEMBERSHIP is write-only
  getOption(socket, 'IP_ADD_MEMBERSHIP');
}

export function whatIsReadDiffers(): void {
  expectTypeOf(getOption(socket, 'IP_UNICAST_IF')).toEqualTypeOf<number>();
  expectTypeOf<OptionValues['IP_UNICAST_IF']['set']>().toEqualTypeOf<number | string>();
  expectTypeOf(getOption(socket, 'IP_MULTICAST_IF')).toEqualTypeOf<string>();
  expectTypeOf(getOption(socket, 'IPV6_FLOWLABEL_MGR')).toEqualTypeOf<FlowLabel>();
  expectTypeOf(getOption(socket, 'TCP_REPAIR')).toEqualTypeOf<boolean>();
  expectTypeOf(getOption(socket, 'TCP_AO_INFO').counters.good).toEqualTypeOf<bigint>();
  expectTypeOf(getOption(socket, 'SO_MEMINFO')).toEqualTypeOf<MemoryInfo>();
  expectTypeOf(getOption(socket, 'SO_TIMESTAMPING')).toEqualTypeOf<Timestamping>();
  expectTypeOf(getOption(socket, 'SO_ATTACH_FILTER')).toEqualTypeOf<readonly BpfInstruction[]>();
  expectTypeOf(getOption(socket, 'IP_PKTOPTIONS')).toEqualTypeOf<readonly ReceivedControlMessage[]>();
}

export function inFactories(): void {
  NativeSocket.create({ family: 'ipv4', type: 'raw', sockopts: { IP_HDRINCL: true, SO_LINGER: false } });
  expectTypeOf<SocketOptions['IP_ADD_MEMBERSHIP']>().toEqualTypeOf<
    OptionValues['IP_ADD_MEMBERSHIP']['set'] | undefined
  >();
  // @ts-expect-error an interface is a name or an index
  ({ IP_UNICAST_IF: true }) satisfies SocketOptions;
}
