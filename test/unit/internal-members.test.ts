// Members marked @internal are for this package only: their declarations are not published.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
);

test('members of classes and interfaces that are marked @internal are not in lib/**/*.d.ts', () => {
  const found: string[] = [];
  for (const source of sources) {
    const declarations = join(root, 'lib', source.replace(/\.ts$/, '.d.ts'));
    expect(existsSync(declarations), `${source} is built`).toBe(true);
    const published = new Set(names(parse(declarations)).map(([name]) => name));
    for (const [name, internal] of names(parse(join(root, 'src', source)))) {
      if (!internal) continue;
      found.push(name);
      expect(published, source).not.toContain(name);
    }
  }
  expect(found.length).toBeGreaterThan(10);
});

test('lib/**/*.d.ts has no comment that says @internal', () => {
  for (const source of sources) {
    expect(readFileSync(join(root, 'lib', source.replace(/\.ts$/, '.d.ts')), 'utf8')).not.toContain('@internal');
  }
});

const USE = `
import { connect, EgressPool, listen, PortReservation, reserve, setOption, UdpSocket } from '../../lib/index.js';
import { createServer, Socket } from 'node:net';
const udp = UdpSocket.create({ family: 'ipv4', sockopts: { SO_RCVBUF: 65536 } });
setOption(udp, 'IP_RECVTTL', true);
setOption(new Socket(), 'TCP_NODELAY', true);
setOption(reserve({ remote: '192.0.2.1:443' }), 'TCP_NODELAY', true);
setOption(3, 'TCP_NODELAY', true);
listen(createServer());
connect({ port: 443, localPortRange: [40000, 40999] });
// @ts-expect-error only reserve and adopt make one
new PortReservation();
// @ts-expect-error a string is not a target
setOption('3', 'TCP_NODELAY', true);
// @ts-expect-error an internal member
new EgressPool({ sources: ['192.0.2.1'] }).candidates;
`;

test(
  'lib/index.d.ts and all that it imports compile in a strict project without skipLibCheck',
  { timeout: 120_000 },
  () => {
    const user = join(root, 'test/unit/user.ts'); // in memory only
    const options: ts.CompilerOptions = {
      strict: true,
      noEmit: true,
      target: ts.ScriptTarget.ES2023,
      lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
      module: ts.ModuleKind.NodeNext,
      types: ['node'],
      skipLibCheck: false,
      exactOptionalPropertyTypes: true,
    };
    const host = ts.createCompilerHost(options);
    const getSourceFile = host.getSourceFile.bind(host);
    const fileExists = host.fileExists.bind(host);
    host.getSourceFile = (name, language) =>
      name === user ? ts.createSourceFile(name, USE, language) : getSourceFile(name, language);
    host.fileExists = (name) => name === user || fileExists(name);
    const program = ts.createProgram([user], options, host);
    const ours = program
      .getSourceFiles()
      .filter(({ fileName }) => fileName.startsWith(join(root, 'lib')) || fileName === user);
    expect(ours.length).toBeGreaterThan(50);
    const messages = ours
      .flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])
      .map(({ messageText, file }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
    expect(messages).toEqual([]);
  },
);

function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
}

/** Declarations and their members, and whether they are marked. */
function names(file: ts.SourceFile): readonly (readonly [name: string, internal: boolean])[] {
  const found: (readonly [string, boolean])[] = [];
  const visit = (node: ts.Node, outer: string): void => {
    const name = nameOf(node, file);
    const path = name === undefined ? outer : `${outer}.${name}`;
    if (name !== undefined) {
      found.push([path, ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'internal')]);
    }
    if (!ts.isFunctionLike(node)) ts.forEachChild(node, (child) => visit(child, path));
  };
  visit(file, '');
  return found;
}

function nameOf(node: ts.Node, file: ts.SourceFile): string | undefined {
  if (ts.isConstructorDeclaration(node)) return 'constructor';
  const named =
    ts.isClassElement(node) ||
    ts.isTypeElement(node) ||
    ts.isFunctionDeclaration(node) ||
    ts.isVariableDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node);
  return named ? node.name?.getText(file) : undefined;
}
