// What an editor shows: the options that fit, each with the doc line of its row, and the values that an option has.
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, describe, expect, test } from 'vitest';
import { OPTIONS } from '../../src/index.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** In memory only. */
const file = `${root}test/unit/completion.ts`;
const IMPORTS = `import {
  connect, getOption, listen, NativeSocket, reserve, setOption, UdpSocket, type PortReservation,
} from '../../src/index.js';
import type { Server, Socket } from 'node:net';
declare const udp: UdpSocket;
declare const tcp: Socket;
declare const native: NativeSocket<'stream'>;
`;

let text = '';
let version = 0;
const service = ts.createLanguageService({
  getScriptFileNames: () => [file],
  getScriptVersion: (name) => (name === file ? String(version) : '1'),
  getScriptSnapshot: (name) => {
    const content = name === file ? text : ts.sys.readFile(name);
    return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content);
  },
  getCurrentDirectory: () => root,
  getCompilationSettings: () => ({
    strict: true,
    module: ts.ModuleKind.NodeNext,
    types: ['node'],
    skipLibCheck: true,
  }),
  getDefaultLibFileName: (options) => ts.getDefaultLibFilePath(options),
  fileExists: (name) => name === file || ts.sys.fileExists(name),
  readFile: (name) => ts.sys.readFile(name),
});
afterAll(() => service.dispose());

// The compiler reads all types of Node for the first of them.
describe('completion', { timeout: 60_000 }, () => {
  test.each([
    ["NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts: { ¦ } });"],
    ["UdpSocket.create({ family: 'ipv4', sockopts: { ¦ } });"],
    ['connect({ port: 443, sockopts: { ¦ } });'],
    ["reserve({ remote: '192.0.2.1:443', sockopts: { ¦ } });"],
  ])('completion of sockopts shows the type and the doc line of an option: %s', (source) => {
    const { doc, source: from } = OPTIONS.IP_TTL;
    expect(detailsOf(source, 'IP_TTL')).toEqual([expect.stringContaining('IP_TTL?: number'), `${doc} ${from}`]);
  });

  test("completion of sockopts offers exactly the options of the socket's type and family", () => {
    const stream = namesAt("NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts: { ¦ } });");
    expect(stream).toContain('TCP_USER_TIMEOUT');
    expect(stream).not.toContain('UDP_SEGMENT');
    expect(stream).not.toContain('IPV6_FREEBIND');
    const datagram = namesAt("UdpSocket.create({ family: 'ipv6', sockopts: { ¦ } });");
    expect(datagram).toContain('UDP_CORK');
    expect(datagram).not.toContain('TCP_USER_TIMEOUT');
    expect(datagram).not.toContain('UDP_SEGMENT'); // `segmentSize` of sends
    expect(namesAt("UdpSocket.create({ family: 'ipv4', sockopts: { ¦ } });")).not.toContain('IPV6_FREEBIND');
    const ofConnect = namesAt('connect({ port: 443, sockopts: { ¦ } });');
    for (const name of ['UDP_SEGMENT', 'IP_FREEBIND', 'SO_MARK']) expect(ofConnect).not.toContain(name);
    expect(namesAt('listen(tcp as unknown as Server, { sockopts: { ¦ } });')).not.toContain('UDP_SEGMENT');
  });

  test("completion of connect({ … }) offers this package's options and those of net.connect from the first key on", () => {
    const names = namesAt('connect({ ¦ });');
    expect(names).toEqual(expect.arrayContaining(['host', 'port', 'localAddress', 'path', 'signal']));
    expect(names).toEqual(
      expect.arrayContaining(['localPortRange', 'freebind', 'shareLocalPort', 'waitForLocalPort', 'sockopts']),
    );
    expect(detailsOf('connect({ ¦ });', 'localPortRange')[1]).toContain('IP_LOCAL_PORT_RANGE');
  });

  test('completion of a name for setOption and getOption offers exactly the options of the target', () => {
    const ofUdp = namesAt("setOption(udp, '¦');");
    expect(ofUdp).toContain('IP_RECVTTL');
    expect(ofUdp).not.toContain('TCP_NODELAY');
    expect(ofUdp).not.toContain('SO_TYPE'); // it can only be read
    for (const target of ['tcp', 'native']) {
      const ofTcp = namesAt(`getOption(${target}, '¦');`);
      expect(ofTcp).toContain('TCP_INFO');
      expect(ofTcp).not.toContain('UDP_GRO');
    }
    expect(namesAt("setOption(3, '¦');")).toEqual(expect.arrayContaining(['TCP_NODELAY', 'UDP_SEGMENT']));
  });

  test.each([
    ["setOption(native, 'TCP_CONGESTION', '¦');", ['cubic', 'reno', 'bbr']],
    ["setOption(native, 'IP_MTU_DISCOVER', '¦');", ['dont', 'want', 'do', 'probe', 'interface', 'omit']],
    ["setOption(native, 'IPV6_MTU_DISCOVER', '¦');", ['dont', 'want', 'do', 'probe', 'interface', 'omit']],
    ["setOption(udp, 'UDP_ENCAP', '¦');", ['none', 'esp', 'l2tp']],
    ["setOption(udp, 'SO_BUF_LOCK', '¦');", ['none', 'send', 'receive', 'both']],
    ["connect({ port: 443, sockopts: { TCP_CONGESTION: '¦' } });", ['cubic', 'reno', 'bbr']],
  ])('completion of a value offers the words of the option: %s', (source, words) => {
    expect(namesAt(source)).toEqual(expect.arrayContaining(words));
  });

  test.each(['rtt', 'rto', 'minRtt', 'busyTime', 'lastDataSent', 'totalRtoTime', 'pacingRate', 'sndCwnd', 'pmtu'])(
    'completion of TCP_INFO shows the unit of %s',
    (field) => {
      const [, documentation] = detailsOf("getOption(native, 'TCP_INFO').¦", field);
      expect(documentation).toMatch(/microseconds|[Mm]illiseconds|bytes|segments/);
    },
  );
});

/** The names that are offered where ¦ is. */
function namesAt(source: string): readonly string[] {
  return service.getCompletionsAtPosition(file, open(source), {})?.entries.map(({ name }) => name) ?? [];
}

/** What is shown of one of them: its type, and its documentation. */
function detailsOf(source: string, name: string): readonly [type: string, documentation: string] {
  const entry = service.getCompletionEntryDetails(file, open(source), name, {}, undefined, {}, undefined);
  return [ts.displayPartsToString(entry?.displayParts), ts.displayPartsToString(entry?.documentation)];
}

function open(source: string): number {
  const position = IMPORTS.length + source.indexOf('¦');
  text = IMPORTS + source.replace('¦', '');
  version++;
  return position;
}
