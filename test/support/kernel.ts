// What this machine offers: predicates for test.skipIf, and requirements that name what is missing.
import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { release } from 'node:os';
import { test } from 'vitest';

/** Whether the running kernel is at least this version. */
export function kernel(major: number, minor: number): boolean {
  return atLeast(release(), major, minor);
}

/** Whether the running Node is at least this version. */
export function node(major: number, minor = 0): boolean {
  return atLeast(process.versions.node, major, minor);
}

/** Whether this process has the capability, in its own user namespace. */
export function hasCapability(name: Capability): boolean {
  const [, effective = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return ((BigInt(`0x${effective}`) >> BigInt(capabilities[name])) & 1n) === 1n;
}

/** Whether the program is installed. */
export function hasTool(name: string): boolean {
  return spawnSync(name, ['-V'], { stdio: 'ignore' }).error === undefined;
}

export interface Needs {
  readonly kernel?: readonly [major: number, minor: number];
  readonly node?: readonly [major: number, minor: number];
  readonly capabilities?: readonly Capability[];
  /** Programs; CONTRIBUTING.md lists their Debian packages. */
  readonly tools?: readonly string[];
}

/** The unmet requirements as one line, or undefined. */
export function missingNeeds(needs: Needs): string | undefined {
  const missing: string[] = [];
  if (needs.kernel && !kernel(...needs.kernel))
    missing.push(`needs kernel ${needs.kernel.join('.')}, this is ${release()}`);
  if (needs.node && !node(...needs.node))
    missing.push(`needs Node ${needs.node.join('.')}, this is ${process.versions.node}`);
  for (const name of needs.capabilities ?? []) if (!hasCapability(name)) missing.push(`needs ${name}`);
  for (const tool of needs.tools ?? []) if (!hasTool(tool)) missing.push(`needs ${tool}`);
  return missing.length === 0 ? undefined : missing.join('; ');
}

/**
 * `test`, or a skipped test whose name ends with what was missing:
 * `testWith({ kernel: [6, 3], tools: ['nft'] })('redirects are seen', async () => { … });`
 */
export function testWith(needs: Needs): (name: string, body: () => unknown, timeout?: number) => void {
  const missing = missingNeeds(needs);
  return (name, body, timeout) => {
    if (missing !== undefined) test.skip(`${name} (${missing})`);
    else test(name, () => body() as Promise<void> | void, timeout);
  };
}

export type Capability = keyof typeof capabilities;

/** capability.h */
const capabilities = {
  CAP_NET_BIND_SERVICE: 10,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_ADMIN: 21,
  CAP_BPF: 39,
} as const;

function atLeast(version: string, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
