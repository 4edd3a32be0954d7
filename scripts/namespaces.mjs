// Finds out whether, and with which flags of unshare(1), this machine permits network namespaces.
import { spawnSync } from 'node:child_process';

// The tests bring a device up, set sysctls, and create further namespaces.
const probe =
  'ip link set lo up && unshare --net true && echo "$(cat /proc/sys/net/ipv4/ip_local_port_range)" > /proc/sys/net/ipv4/ip_local_port_range';

/**
 * The command line of unshare(1) up to the command: plain namespaces as root, otherwise inside a user namespace.
 * @returns {{ enter: readonly string[] } | { reason: string }}
 */
export function namespaces() {
  const missing = ['unshare', 'ip'].filter((tool) => spawnSync(tool, ['-V'], { stdio: 'ignore' }).error !== undefined);
  if (missing.length > 0)
    return { reason: `${missing.join(' and ')} not found (Debian: apt-get install util-linux iproute2)` };

  const asUser = ['--user', '--map-root-user', '--net', '--mount'];
  const ways = process.getuid?.() === 0 ? [['--net', '--mount'], asUser] : [asUser];
  const reasons = [];
  for (const way of ways) {
    const { status, stderr } = spawnSync('unshare', [...way, '--', 'sh', '-ec', probe], { encoding: 'utf8' });
    if (status === 0) return { enter: ['unshare', ...way, '--'] };
    reasons.push(`unshare ${way.join(' ')}: ${stderr.trim().replaceAll('\n', '; ')}`);
  }
  return { reason: reasons.join(' | ') + hint() };
}

/**
 * The command line that runs a command inside, with the loopback device up.
 * @param {readonly string[]} enter from `namespaces()`
 * @param {readonly string[]} command
 * @returns {[program: string, ...args: string[]]}
 */
export function commandInside(enter, command) {
  const [unshare = 'unshare', ...flags] = enter;
  return [unshare, ...flags, 'sh', '-c', 'ip link set lo up && exec "$0" "$@"', ...command];
}

/** The sysctls that usually cause EPERM. */
function hint() {
  const switches = [
    'kernel.unprivileged_userns_clone',
    'kernel.apparmor_restrict_unprivileged_userns',
    'user.max_user_namespaces',
  ];
  const values = switches.map((name) => {
    const { status, stdout } = spawnSync('cat', [`/proc/sys/${name.replaceAll('.', '/')}`], { encoding: 'utf8' });
    return status === 0 ? `${name}=${stdout.trim()}` : undefined;
  });
  return ` (${values.filter((value) => value !== undefined).join(', ')}; in a container, CAP_SYS_ADMIN is needed)`;
}
