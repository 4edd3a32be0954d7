// The lint rules of this repository: the order of the layers, and Node's internals only in src/node.
import { Linter } from 'eslint';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { layersRule } from '../../scripts/lint-rules/layers.mjs';
import { NODE_INTERNALS } from '../../scripts/lint-rules/node-internals.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

test.each([
  ['src/udp/socket.ts', "import '../tcp/connect/connect.js'"],
  ['src/udp/socket.ts', "export * from '../reserve/reserve.js'"],
  ['src/tcp/connect/connect.ts', "import('../../egress/pool.js')"],
  ['src/wire/endpoint.ts', "import '../kernel/sysctl.js'"],
  ['src/errors.ts', "import './arguments.js'"],
  ['src/egress/pool.ts', "import '../index.js'"],
])('layers: in %s, %s is reported', (file, code) => {
  expect(layerErrors(file, code)).toEqual([expect.stringContaining('scripts/layers.mjs')]);
});

test.each([
  ['src/egress/pool.ts', "import '../tcp/connect/connect.js'"],
  ['src/wire/endpoint.ts', "import '../kernel/numbers.js'"],
  ['src/udp/send/batch.ts', "import '../socket.js'"],
  ['src/cli/main.ts', "import 'commander'; import '../index.js'"],
])('layers: in %s, %s is allowed', (file, code) => {
  expect(layerErrors(file, code)).toEqual([]);
});

test('layers: a file in no layer is reported', () => {
  expect(layerErrors('src/new-thing.ts', '')).toEqual([
    'src/new-thing.ts is in no layer: add a line to scripts/layers.mjs.',
  ]);
});

test.each([
  'socket._handle.fd',
  "'_handle' in socket",
  "socket['_parent']",
  'const { _events } = server',
  'socket._write = () => {}',
  'request.oncomplete = undefined',
  'handle.connect6()',
  'Object.getOwnPropertySymbols(socket)',
  "find(({ description }) => description === 'kReinitializeHandle')",
  "process.binding('tcp_wrap')",
])('node-internals: %s is reported', (code) => {
  expect(internalsErrors(code)).not.toEqual([]);
});

test.each([
  'socket.on("data", (_chunk) => {})',
  'class A { #handle; get handle() { return this.#handle } }',
  'server.listen({ fd })',
])('node-internals: %s is allowed', (code) => {
  expect(internalsErrors(code)).toEqual([]);
});

function layerErrors(file: string, code: string): string[] {
  return messages(code, file, {
    plugins: { local: { rules: { layers: layersRule } } },
    rules: { 'local/layers': 'error' },
  });
}

function internalsErrors(code: string): string[] {
  return messages(code, 'src/tcp/file.ts', { rules: { 'no-restricted-syntax': ['error', ...NODE_INTERNALS] } });
}

function messages(code: string, file: string, config: Linter.Config): string[] {
  const linter = new Linter({ configType: 'flat', cwd: root });
  return linter
    .verify(code, [{ files: ['**/*.ts'], ...config }], { filename: `${root}${file}` })
    .map(({ message }) => message);
}
