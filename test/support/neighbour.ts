// A namespace at the other end of a veth pair, `near` here and `far` there, with static neighbour entries: a neighbour lookup
// would delay or drop packets.
import { execFileSync } from 'node:child_process';
import type { Family } from '../../src/index.js';
import { NetworkNamespace } from './namespace.js';

/** Its addresses. @param subnet 0 to 99: 10.x.0.0/24 and fdx::/64, of which this end is 1 and the other 2 */
export function neighbourAddresses(subnet: number, host = 2): Readonly<Record<Family, string>> {
  return { ipv4: `10.${subnet}.0.${host}`, ipv6: `fd${subnet}::${host}` };
}

export async function createNeighbour(subnet: number): Promise<NetworkNamespace> {
  const [ours, theirs] = [neighbourAddresses(subnet, 1), neighbourAddresses(subnet)];
  const namespace = await NetworkNamespace.create();
  await namespace.link('current', {
    ...{ name: 'far', peerName: 'near' },
    addresses: [`${theirs.ipv4}/24`, `${theirs.ipv6}/64`],
    peerAddresses: [`${ours.ipv4}/24`, `${ours.ipv6}/64`],
  });
  const far = hardwareAddress(await namespace.run('ip', '-j', 'link', 'show', 'far'));
  const near = hardwareAddress(execFileSync('ip', ['-j', 'link', 'show', 'near']).toString());
  for (const ip of Object.values(theirs)) execFileSync('ip', ['neigh', 'replace', ip, 'lladdr', far, 'dev', 'near']);
  // An ICMP error that has to wait for a neighbour lookup comes too late, or not at all.
  for (const ip of Object.values(ours)) await namespace.run('ip', 'neigh', 'replace', ip, 'lladdr', near, 'dev', 'far');
  return namespace;
}

function hardwareAddress(link: string): string {
  return (JSON.parse(link) as [{ address: string }])[0].address;
}
