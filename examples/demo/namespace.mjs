// A network namespace for the demo, which runs itself again under unshare(1), as root of a user namespace if it is not root
// already. Ports and sysctls in the namespace belong to the demo alone.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MARK = 'LINUX_SOCKETS_DEMO_NAMESPACE';

export function insideNamespace() {
  return process.env[MARK] !== undefined;
}

/**
 * Runs the demo in a namespace and adopts its exit status; or returns why that is not possible.
 * @returns {string | undefined}
 */
export function namespaceOrReason() {
  const flags = process.getuid?.() === 0 ? ['--net'] : ['--user', '--map-root-user', '--net'];
  const probe = spawnSync('unshare', [...flags, '--', 'sh', '-c', 'ip link set lo up'], { encoding: 'utf8' });
  if (probe.error !== undefined) return 'unshare is not installed (Debian: apt-get install util-linux)';
  if (probe.stderr.includes('ip: not found')) return 'ip is not installed (Debian: apt-get install iproute2)';
  if (probe.status !== 0) return `unshare ${flags.join(' ')}: ${probe.stderr.trim() || `status ${probe.status}`}`;
  const self = fileURLToPath(new URL('main.mjs', import.meta.url));
  const { status } = spawnSync(
    'unshare',
    [
      ...flags,
      '--',
      'sh',
      '-c',
      'ip link set lo up && exec "$0" "$@"',
      process.execPath,
      self,
      ...process.argv.slice(2),
    ],
    { stdio: 'inherit', env: { ...process.env, [MARK]: '1' } },
  );
  process.exitCode = status ?? 1;
  return undefined;
}
