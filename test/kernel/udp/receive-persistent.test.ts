// Receiving where each recvmmsg fails, as in a sandbox that forbids it or without memory: the process is not kept busy. The
// errors are injected by strace; everything else is the real kernel.
import { describe, expect, test } from 'vitest';
import { runWithFaults } from '../../support/strace.js';

const SOCKET = `
  const { UdpSocket } = await import(process.argv[1]);
  const udp = UdpSocket.create({ family: 'ipv4' });
  udp.bind('127.0.0.1:0');
  const errors = [];
  udp.on('pendingError', ({ code, syscall }) => errors.push(code + ' ' + syscall));
  const send = () => udp.trySend(Buffer.from('x'), { to: udp.local });
  const report = (result) => { console.log(JSON.stringify(result)); process.exit(); };
`;

describe.each(['EPERM', 'ENOSYS', 'ENOMEM'])('each recvmmsg fails with %s', (code) => {
  test(`with a listener, ${code} is reported once, and recvmmsg is called ever more rarely`, async () => {
    const { output, injected } = await run(
      `udp.on('message', () => report('got it'));
       send();
       setTimeout(() => report(errors), 1000);`,
      `recvmmsg:error=${code}`,
    );
    expect(output).toEqual([`${code} recvmmsg`]);
    expect(injected).toBeLessThan(12); // pauses of 10, 20, 40, … ms
  });

  test(`for await ends with the error ${code}`, async () => {
    const { output } = await run(
      `send();
       try { for await (const message of udp) report('got it'); } catch (error) { report(error.code + ' ' + error.syscall); }`,
      `recvmmsg:error=${code}`,
    );
    expect(output).toBe(`${code} recvmmsg`);
  });
});

test('an error that a peer could also cause (EACCES) does not end an iterator, and recvmmsg is called ever more rarely', async () => {
  const { output, injected } = await run(
    `send();
     setTimeout(() => report(errors), 1000);
     for await (const message of udp) report('got it');`,
    'recvmmsg:error=EACCES',
  );
  expect(output).toEqual(['EACCES recvmmsg', 'EACCES recvmmsg']);
  expect(injected).toBeLessThan(12);
});

test('a second iterator ends with the persistent error, too', async () => {
  const { output } = await run(
    `send();
     const codes = [];
     for (let i = 0; i < 2; i++) {
       try { for await (const message of udp) report('got it'); } catch (error) { codes.push(error.code); }
     }
     report(codes);`,
    'recvmmsg:error=EPERM',
  );
  expect(output).toEqual(['EPERM', 'EPERM']);
});

test('after a period of ENOMEM every datagram arrives once and in order', async () => {
  const { output, injected } = await run(
    `const got = [];
     udp.on('message', (data) => { got.push(String(data)); if (got.length === 3) report({ got, errors }); });
     for (const text of ['a', 'b', 'c']) udp.trySend(Buffer.from(text), { to: udp.local });`,
    'recvmmsg:error=ENOMEM:when=1..6',
  );
  expect(output).toEqual({ got: ['a', 'b', 'c'], errors: ['ENOMEM recvmmsg'] });
  expect(injected).toBe(6);
});

function run(script: string, faults: string): ReturnType<typeof runWithFaults> {
  const library = new URL('../../../lib/index.js', import.meta.url).href;
  return runWithFaults(`${SOCKET}\n${script}`, faults, [library], () => undefined);
}
