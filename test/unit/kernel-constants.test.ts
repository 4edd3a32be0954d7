// Every constant of the kernel is defined once: in src/kernel/numbers.ts, in a row of the option table, or in the one file
// that encodes or decodes a structure.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getSystemErrorMap } from 'node:util';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { OPTIONS, type OptionRow } from '../../src/index.js';
import * as numbers from '../../src/kernel/numbers.js';

const src = fileURLToPath(new URL('../../src/', import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

/** Numbers by the names that the kernel has for them. */
const KNOWN = new Map<string, number>([
  ...Object.entries<OptionRow>(OPTIONS).map(([name, row]) => [name, row.name] as const),
  ...Object.entries<number>(numbers),
]);

/** What else the kernel's headers call like that. */
const PREFIX =
  /^(AF|SOCK|SOL|SO|SCM|IPPROTO|IP|IPV6|MCAST|TCP|UDP|MSG|SHUT|RTM|RTA|NLM|NLMSG|NLA|TCA|NETLINK|INET_DIAG|BPF|SKF_AD|TCPOPT)_(?!.*_SIZE$)/;

const ERRNOS = new Set([...getSystemErrorMap().values()].map(([name]) => name));

/** Files that may have constants of their own: each is the only one about what its constants are of. */
const HOMES = [
  /^kernel\//,
  /^options\/.*-options\.ts$/,
  /^options\/kinds\//, // structures of options
  /^options\/steering\.ts$/, // classic BPF
  /^options\/path-mtu-discovery\.ts$/,
];

test('no file defines a kernel constant again that src/kernel/numbers.ts or an option row has', () => {
  const found: string[] = [];
  for (const { file, name, where } of namedNumbers()) {
    const isHome = file === 'kernel/numbers.ts' || (where === 'row' && !(name in numbers));
    if (!isHome && KNOWN.has(name)) found.push(`${file}: ${name}`);
  }
  expect(found).toEqual([]);
});

test('only src/kernel and the files beside the option rows define constants with kernel names', () => {
  const found: string[] = [];
  for (const { file, name, where } of namedNumbers()) {
    if (where === 'constant' && isKernelName(name) && !HOMES.some((home) => home.test(file))) {
      found.push(`${file}: ${name}`);
    }
  }
  expect(found).toEqual([]);
});

test('no constant with a kernel name is defined in two files', () => {
  const homes = new Map<string, Set<string>>();
  for (const { file, name, where } of namedNumbers()) {
    if (where === 'constant' && isKernelName(name)) homes.set(name, (homes.get(name) ?? new Set()).add(file));
  }
  expect([...homes].filter(([, where]) => where.size > 1)).toEqual([]);
});

test('no table repeats the number of an option beside its name', () => {
  const found: string[] = [];
  for (const file of files) {
    visit(parse(file), (node) => {
      if (!ts.isArrayLiteralExpression(node)) return;
      const number = node.elements.filter(ts.isStringLiteral).map(({ text }) => KNOWN.get(text));
      if (node.elements.some((element) => ts.isNumericLiteral(element) && number.includes(Number(element.text)))) {
        found.push(`${file}: ${node.getText()}`);
      }
    });
  }
  expect(found).toEqual([]);
});

test('the scan of this test finds constants and table rows', () => {
  const seen = [...namedNumbers()].map(({ file, name, where }) => `${file} ${name} ${where}`);
  expect(seen).toContain('kernel/numbers.ts EAGAIN constant');
  expect(seen).toContain('options/tcp-options.ts TCP_NODELAY row');
});

function isKernelName(name: string): boolean {
  return PREFIX.test(name) || ERRNOS.has(name);
}

interface NamedNumber {
  readonly file: string;
  readonly name: string;
  readonly where: 'constant' | 'row';
}

/** `const NAME = 1`, `NAME: 1`, and `NAME: { …, name: 1 }` or `NAME: { …, type: 1 }`. */
function* namedNumbers(): Generator<NamedNumber> {
  for (const file of files) {
    const found: NamedNumber[] = [];
    visit(parse(file), (node) => {
      if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && isNumber(node.initializer)) {
        found.push({ file, name: node.name.text, where: 'constant' });
      } else if (ts.isPropertyAssignment(node) && (isNumber(node.initializer) || isRow(node.initializer))) {
        found.push({ file, name: node.name.getText(), where: 'row' });
      }
    });
    yield* found;
  }
}

function isRow(node: ts.Expression): boolean {
  return (
    ts.isObjectLiteralExpression(node) &&
    node.properties.some(
      (property) =>
        ts.isPropertyAssignment(property) &&
        ['name', 'type'].includes(property.name.getText()) &&
        isNumber(property.initializer),
    )
  );
}

function isNumber(node: ts.Node | undefined): boolean {
  if (node === undefined) return false;
  if (ts.isPrefixUnaryExpression(node)) return isNumber(node.operand);
  if (ts.isBinaryExpression(node)) return isNumber(node.left) && isNumber(node.right);
  return ts.isNumericLiteral(node);
}

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => visit(child, see));
}

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(join(src, file), 'utf8'), ts.ScriptTarget.Latest, true);
}
