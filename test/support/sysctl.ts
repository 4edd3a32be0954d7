// Sysctls of the current network namespace. Every test file has its own namespace, so nothing here reaches the host.
import { readFileSync, writeFileSync } from 'node:fs';

/** The value, with single spaces between its parts. `name` as sysctl(8) writes it: dots, or slashes where a part has dots. */
export function readSysctl(name: string): string {
  return readFileSync(pathOf(name), 'utf8').trim().replaceAll(/\s+/g, ' ');
}

/** Sets a value until the end of the scope: `using _ = setSysctl('net.ipv4.ip_nonlocal_bind', 1);` */
export function setSysctl(name: string, value: string | number): Disposable {
  const before = readSysctl(name);
  writeFileSync(pathOf(name), String(value));
  return {
    [Symbol.dispose]: () => {
      writeFileSync(pathOf(name), before === '' ? '\n' : before); // an empty write changes nothing
    },
  };
}

function pathOf(name: string): string {
  return `/proc/sys/${name.includes('/') ? name : name.replaceAll('.', '/')}`;
}
