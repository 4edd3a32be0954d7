// connectFrom, the entry for a pool of sources: candidates are pulled one by one, and each is notified of the outcome.
import { once } from 'node:events';
import { beforeAll, expect, test } from 'vitest';
import { SocketError, SyscallError, type Endpoint } from '../../../src/index.js';
import { connectFrom } from '../../../src/tcp/connect/connect.js';
import type { Candidate, Source } from '../../../src/source/source.js';
import { addOtherAddresses, checkDescriptors, IPV4, refusing } from '../../support/fixtures.js';
import { closed, connected, failing, holding, peer } from '../../support/connect.js';

beforeAll(addOtherAddresses);
checkDescriptors();

const BASE: Source = {
  address: undefined,
  port: 0,
  range: [1, 65535],
  rangeWanted: false,
  shareLocalPort: true,
  freebind: false,
  transparent: false,
  mark: undefined,
  device: undefined,
  protocol: 'tcp',
  sockopts: [],
};

/** Candidates for these sources, and a log of their notifications. */
function pool(...sources: Partial<Source>[]): {
  log: string[];
  candidates: (remote: Endpoint) => Generator<Candidate>;
} {
  const log: string[] = [];
  const name = ({ address, range }: Source): string => `${address ?? 'any'}${range[0] === 1 ? '' : ` ${range[0]}`}`;
  return {
    log,
    *candidates(remote) {
      for (const part of sources) {
        const source = { ...BASE, ...part };
        log.push(`pulled ${name(source)} for ${remote.address}`);
        yield {
          source,
          taken: () => {
            log.push(`taken ${name(source)}`);
            return (error) =>
              log.push(
                `closed ${name(source)}${error === undefined ? '' : ` ${(error as NodeJS.ErrnoException).code}`}`,
              );
          },
          referenced: (isReferenced) => void log.push(`${isReferenced ? 'ref' : 'unref'} ${name(source)}`),
          exhausted: (error) => void log.push(`exhausted ${name(source)} ${(error as NodeJS.ErrnoException).code}`),
          failed: (error) => {
            log.push(
              `failed ${name(source)} ${(error as NodeJS.ErrnoException).syscall} ${(error as NodeJS.ErrnoException).code}`,
            );
            return true;
          },
        };
      }
    },
  };
}

test('connectFrom uses the first candidate that works, and notifies it of the end', async () => {
  await using server = await peer('127.0.0.1');
  const { log, candidates } = pool({ address: '127.0.0.2' }, { address: '127.0.0.3' });
  const socket = await connected(connectFrom({ host: '127.0.0.1', port: server.port }, candidates));
  expect(await server.next()).toMatch(/^127\.0\.0\.2:/);
  expect(log).toEqual(['pulled 127.0.0.2 for 127.0.0.1', 'taken 127.0.0.2']);
  await closed(socket);
  expect(log.slice(2)).toEqual(['closed 127.0.0.2']);
});

test('connectFrom tries the next candidate after exhaustion and after a failure', async () => {
  await using server = await peer('127.0.0.1');
  using held = holding();
  const range = { range: [45_200, 45_200], rangeWanted: true } as const;
  const full = pool({ address: '127.0.0.2', ...range });
  await connected(held.add(connectFrom({ host: '127.0.0.1', port: server.port }, full.candidates)));
  const { log, candidates } = pool(
    { address: '192.0.2.1' },
    { address: '127.0.0.2', device: 'nope0' },
    { address: '::1' },
    { address: '127.0.0.2', ...range },
    { address: '127.0.0.3', ...range },
  );
  await connected(held.add(connectFrom({ host: '127.0.0.1', port: server.port }, candidates)));
  expect(server.seen.at(-1)).toBe('127.0.0.3:45200');
  expect(log.filter((line) => !line.startsWith('pulled'))).toEqual([
    'failed 192.0.2.1 bind EADDRNOTAVAIL',
    'failed 127.0.0.2 setsockopt ENODEV',
    'failed ::1 bind EINVAL',
    'exhausted 127.0.0.2 45200 EADDRNOTAVAIL',
    'taken 127.0.0.3 45200',
  ]);
});

test('connectFrom fails with ERR_PORT_RANGE_EXHAUSTED and the last error as cause when all candidates are exhausted', async () => {
  await using server = await peer('127.0.0.1');
  using held = holding();
  const sources = ['127.0.0.2', '127.0.0.3'].map((address) => ({
    address,
    range: [45_201, 45_201] as const,
    rangeWanted: true,
  }));
  const options = { host: '127.0.0.1', port: server.port };
  for (let i = 0; i < 2; i++) await connected(held.add(connectFrom(options, pool(...sources).candidates)));
  const error = await failing(connectFrom(options, pool(...sources).candidates));
  expect(error).toBeInstanceOf(SocketError);
  expect(error.code).toBe('ERR_PORT_RANGE_EXHAUSTED');
  expect(error.cause).toMatchObject({ code: 'EADDRNOTAVAIL', reason: 'portRangeExhausted', localAddress: '127.0.0.3' });

  const waiting = pool(...sources);
  const second = held.add(connectFrom({ ...options, waitForLocalPort: true }, waiting.candidates));
  await once(second, 'connectionAttempt');
  for (const socket of held.sockets) if (socket !== second) socket.resetAndDestroy();
  await once(second, 'connect');
  expect(waiting.log.at(-1)).toBe('taken 127.0.0.2 45201');
});

test('ref and unref of a connected socket are reported to its candidate, and to no other', async () => {
  await using server = await peer('127.0.0.1');
  const { candidates, log } = pool({ address: '192.0.2.1' }, { address: '127.0.0.4' });
  const socket = await connected(connectFrom({ host: '127.0.0.1', port: server.port }, candidates));
  log.length = 0;
  socket.unref().ref();
  expect(log).toEqual(['unref 127.0.0.4', 'ref 127.0.0.4']);
  await closed(socket);
  socket.unref();
  expect(log).toEqual(['unref 127.0.0.4', 'ref 127.0.0.4', 'closed 127.0.0.4']);
});

test('connectFrom fails with the error of a candidate that forbids the next one', async () => {
  let told: Error | undefined;
  const socket = connectFrom({ host: '127.0.0.1', port: 9 }, function* () {
    yield {
      source: { ...BASE, address: '192.0.2.1' },
      taken: () => () => undefined,
      referenced: () => undefined,
      exhausted: () => undefined,
      failed: (error) => {
        told = error;
        return false;
      },
    };
    throw new Error('never asked');
  });
  const error = await failing(socket);
  expect(error).toBe(told);
  expect(error).toBeInstanceOf(SyscallError);
  expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'bind', reason: 'addressNotLocal' });
});

test('connectFrom fails with what the candidates throw', async () => {
  const own = new SocketError('ERR_INVALID_STATE', 'no source has the family');
  const socket = connectFrom({ host: '127.0.0.1', port: 9 }, () => {
    throw own;
  });
  expect(await failing(socket)).toBe(own);
});

test('connectFrom fails for an empty list of candidates', async () => {
  await using server = await peer('127.0.0.1');
  const error = await failing(connectFrom({ host: '127.0.0.1', port: server.port }, () => []));
  expect(error.code).toBe('ERR_PORT_RANGE_EXHAUSTED');
  expect(server.seen).toEqual([]);
});

test('connectFrom reports an error of connect to the candidate that was used', async () => {
  using dead = refusing(IPV4);
  const { log, candidates } = pool({ address: '127.0.0.2' });
  const error = await failing(connectFrom({ host: '127.0.0.1', port: dead.local.port }, candidates));
  expect(error.code).toBe('ECONNREFUSED');
  expect(log.at(-1)).toBe('closed 127.0.0.2 ECONNREFUSED');
});

test('connectFrom to several addresses asks for candidates for each address, in its family', async () => {
  using dead = refusing(IPV4);
  await using server = await peer('::1', dead.local.port);
  const asked: string[] = [];
  const socket = connectFrom(
    {
      host: 'name.test',
      port: server.port,
      lookup: (_name, _options, callback) =>
        process.nextTick(callback, null, [
          { address: '127.0.0.1', family: 4 },
          { address: '::1', family: 6 },
        ]),
    },
    (remote) => {
      asked.push(remote.address);
      return pool({ address: remote.family === 'ipv4' ? '127.0.0.2' : 'fd00:1009:bacc::2' }).candidates(remote);
    },
  );
  await connected(socket);
  expect(asked).toEqual(['127.0.0.1', '::1']);
  expect(await server.next()).toMatch(/^fd00:1009:bacc::2:/);
  await closed(socket);
});

test('connectFrom uses an IPv4 candidate for an IPv4-mapped destination', async () => {
  await using server = await peer('::');
  const { candidates } = pool({ address: '127.0.0.4' });
  const socket = await connected(connectFrom({ host: '::ffff:127.0.0.1', port: server.port }, candidates));
  expect(await server.next()).toMatch(/^127\.0\.0\.4:/);
  await closed(socket);
});

test('connectFrom lets a candidate destroy the socket', async () => {
  await using server = await peer('127.0.0.1');
  const socket = connectFrom({ host: '127.0.0.1', port: server.port }, function* () {
    yield {
      source: { ...BASE, address: '192.0.2.1' },
      taken: () => () => undefined,
      referenced: () => undefined,
      exhausted: () => undefined,
      failed: () => {
        socket.destroy();
        return true;
      },
    };
    throw new Error('never asked');
  });
  await once(socket, 'close');
  expect(server.seen).toEqual([]);
});
