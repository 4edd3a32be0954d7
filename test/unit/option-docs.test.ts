// What an editor shows: completion of options in `sockopts` comes with the doc line of the row.
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { OPTIONS } from '../../src/index.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** In memory only. */
const file = `${root}test/unit/completion.ts`;
const source = `import { NativeSocket } from '../../src/index.js';
NativeSocket.create({ family: 'ipv4', type: 'stream', sockopts: { IP_FREE } });
`;

// The compiler reads all types of Node for it.
test('completion of sockopts shows the type and the doc line', { timeout: 60_000 }, () => {
  const service = ts.createLanguageService({
    getScriptFileNames: () => [file],
    getScriptVersion: () => '1',
    getScriptSnapshot: (name) => {
      const text = name === file ? source : ts.sys.readFile(name);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
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
  const position = source.indexOf('IP_FREE }') + 'IP_FREE'.length;
  const entry = service.getCompletionEntryDetails(file, position, 'IP_FREEBIND', {}, undefined, {}, undefined);
  expect(ts.displayPartsToString(entry?.displayParts)).toContain('IP_FREEBIND?: boolean');
  const { doc, source: from } = OPTIONS.IP_FREEBIND;
  expect(ts.displayPartsToString(entry?.documentation)).toBe(`${doc} ${from}`);
  service.dispose();
});
