// What the tests of replies share: a peer in its own namespace, which only receives from the address that it has sent to.
import { execFileSync } from 'node:child_process';
import { NetworkNamespace } from './namespace.js';

/** Addresses of this namespace and of the peer's, on a veth pair: `near` here, `far` there. */
export const NEAR = { ipv4: '10.6.0.1', ipv6: 'fd06::1' } as const;
export const FAR = { ipv4: '10.6.0.2', ipv6: 'fd06::2' } as const;

/** A peer that routes all of its traffic through this namespace. */
export async function makePeer(): Promise<NetworkNamespace> {
  const peer = await NetworkNamespace.create();
  await peer.link('current', {
    ...{ name: 'far', peerName: 'near' },
    addresses: [`${FAR.ipv4}/24`, `${FAR.ipv6}/64`],
    peerAddresses: [`${NEAR.ipv4}/24`, `${NEAR.ipv6}/64`],
  });
  await peer.run('ip', 'route', 'add', 'default', 'via', NEAR.ipv4);
  await peer.run('ip', '-6', 'route', 'add', 'default', 'via', NEAR.ipv6);
  return peer;
}

export function ip(command: string): void {
  execFileSync('ip', command.split(' '));
}

export function nft(commands: string): void {
  execFileSync('nft', [commands]);
}

/**
 * Asks from the peer's namespace, one question after the other, from one socket that is connected to the destination, and returns
 * the answers from there; 'nothing' if none arrived in time.
 */
export async function ask(
  peer: NetworkNamespace,
  address: string,
  port: number,
  questions: readonly string[],
  patience = 5000,
): Promise<string[]> {
  const script = `
    const [address, port, patience, ...questions] = process.argv.slice(1);
    const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const answers = [];
    const ask = () => {
      if (questions.length === answers.length) {
        console.log(JSON.stringify(answers));
        process.exit();
      }
      const timer = setTimeout(() => next('nothing'), Number(patience));
      const next = (answer) => {
        clearTimeout(timer);
        socket.removeAllListeners('message');
        answers.push(answer);
        ask();
      };
      socket.once('message', (data) => next(data.toString()));
      socket.send(questions[answers.length]);
    };
    socket.on('error', (error) => answers.push(error.code));
    socket.connect(Number(port), address, ask);
  `;
  const args = [address, String(port), String(patience), ...questions];
  return JSON.parse(await peer.run(process.execPath, '-e', script, ...args)) as string[];
}
