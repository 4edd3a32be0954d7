// Each datagram once and in order, whatever sendmsg and sendmmsg return: a process sends numbered datagrams in every form,
// strace intercepts some of its calls and returns in place of the kernel, and this process receives.
import { describe, expect } from 'vitest';
import { testWith } from '../../support/kernel.js';
import { boundUdp } from '../../support/sockets.js';
import { runWithFaults } from '../../support/strace.js';

const SIZE = 100;

/** Sends `COUNT` numbered datagrams in each form, and sends again what was not sent after an error. Prints the errors. */
const SENDER = `
  import { readSync } from 'node:fs';
  import { UdpSocket } from 'linux-sockets';
  const [address, port, only] = process.argv.slice(-3);
  const [SIZE, COUNT, SEGMENTS] = [${SIZE}, 120, 10];
  const to = { address, port: Number(port) };
  const met = {};
  const lost = [];
  let next = 0;
  const datagrams = (count) => {
    const data = Buffer.alloc(count * SIZE);
    for (let i = 0; i < count; i++) data.writeUInt32BE(next++, i * SIZE);
    return data;
  };
  // The receiver takes what there is before its buffer is full.
  const sync = () => {
    console.log('sync');
    readSync(0, Buffer.alloc(1));
  };
  const meet = (error) => {
    if (error.syscall !== 'sendmsg') throw error;
    met[error.code] = (met[error.code] ?? 0) + 1;
    if (met[error.code] > 5000) throw new Error('it goes on for ever');
  };
  const whole = async (udp, data, options) => {
    for (let sent = 0; sent < data.length;) {
      try {
        const bytes = udp.trySend(data.subarray(sent), options);
        if (bytes === 0) await udp.writable();
        sent += bytes;
      } catch (error) { meet(error); }
    }
  };
  const drained = async (udp, batch) => {
    while (batch.remaining > 0) {
      try {
        if (udp.sendBatch(batch) === 0) await udp.writable();
      } catch (error) { meet(error); }
    }
  };
  const forms = {
    async trySend(udp, options) {
      for (let i = 0; i < COUNT; i++) await whole(udp, datagrams(1), options);
    },
    async segments(udp, options) {
      for (let i = 0; i < COUNT; i += SEGMENTS) await whole(udp, datagrams(SEGMENTS), { ...options, segmentSize: SIZE });
    },
    async long(udp, options) {
      await whole(udp, datagrams(300), { ...options, segmentSize: SIZE });
    },
    async buffers(udp, options) {
      for (let i = 0; i < COUNT; i++) {
        const data = datagrams(1);
        for (let sent = 0; sent === 0;) {
          try {
            sent = udp.trySend([data.subarray(0, 9), data.subarray(9)], { ...options, ttl: 9 });
            if (sent === 0) await udp.writable();
          } catch (error) { meet(error); }
        }
      }
    },
    async batch(udp, options) {
      for (let i = 0; i < COUNT; i += 20) {
        const batch = udp.createSendBatch();
        for (let j = 0; j < 20; j++) batch.add(datagrams(1), options);
        await drained(udp, batch);
      }
    },
    async mixed(udp, options) {
      for (let i = 0; i < 5; i++) {
        sync();
        const batch = udp.createSendBatch({ bytes: 200_000, messages: 200 });
        for (let j = 0; j < 80; j++) {
          batch.add(datagrams(1), options);
          if (j % 4 === i % 4) batch.add(datagrams(1 + j % 7), { ...options, segmentSize: SIZE, ...(j % 3 === 0 && { ttl: 7 }) });
        }
        await drained(udp, batch);
      }
    },
    async send(udp, options) {
      for (let i = 0; i < COUNT / 2; i++) {
        const [data, segmentSize] = i % 2 === 0 ? [datagrams(1)] : [datagrams(7), SIZE];
        for (let sent = 0; sent < data.length;) {
          try {
            await udp.send(data.subarray(sent), { ...options, ...(segmentSize && { segmentSize }) });
            break;
          } catch (error) {
            meet(error);
            sent += error.bytesSent ?? 0;
          }
        }
      }
    },
    async queue(udp, options) {
      const sends = [];
      for (let i = 0; i < COUNT / 2; i++) {
        const first = next;
        const [data, segmentSize] = i % 2 === 0 ? [datagrams(1)] : [datagrams(7), SIZE];
        const sent = udp.send(data, { ...options, ...(segmentSize && { segmentSize }) });
        sends.push(sent.catch((error) => {
          meet(error);
          for (let n = first + (error.bytesSent ?? 0) / SIZE; n < first + data.length / SIZE; n++) lost.push(n);
        }));
      }
      await Promise.all(sends);
    },
  };
  const stats = { datagrams: 0, bytes: 0 };
  for (const connected of [false, true]) {
    for (const gsoRetryAfter of [0, 600_000]) {
      for (const [name, form] of Object.entries(forms)) {
        if (only !== 'all' && name !== only) continue;
        const udp = UdpSocket.create({ family: address.includes(':') ? 'ipv6' : 'ipv4', gsoRetryAfter });
        if (connected) udp.connect(to);
        else udp.bind();
        sync();
        await form(udp, connected ? {} : { to });
        stats.datagrams += udp.stats.sent.datagrams;
        stats.bytes += udp.stats.sent.bytes;
        await udp.close();
      }
    }
  }
  console.log(JSON.stringify({ met, lost, total: next, stats }));
`;

interface Report {
  readonly met: Readonly<Record<string, number>>;
  readonly lost: readonly number[];
  readonly total: number;
  readonly stats: { readonly datagrams: number; readonly bytes: number };
}

/** Runs the sender with faults, and returns the numbers that arrived, in order. */
async function run(address: string, form: string, faults: string) {
  using receiver = boundUdp(address.includes(':') ? 'ipv6' : 'ipv4', { SO_RCVBUF: 4 << 20 });
  const numbers: number[] = [];
  const buffer = Buffer.alloc(2 * SIZE);
  const collect = () => {
    for (;;) {
      const message = receiver.recvmsg({ buffers: [buffer] });
      if (message === undefined) return;
      expect(message.bytes).toBe(SIZE);
      numbers.push(buffer.readUInt32BE());
    }
  };
  const { output, injected } = await runWithFaults(
    SENDER,
    faults,
    [address, String(receiver.local.port), form],
    collect,
  );
  collect();
  return { numbers, injected, ...(output as Report) };
}

/** Expects the numbers from 0 to `total` for which `wanted` is true, each once and in order. */
function expectNumbers(numbers: readonly number[], total: number, wanted: (number: number) => boolean): void {
  const expected = Array.from({ length: total }, (_, i) => i).filter(wanted);
  const wrong = numbers.findIndex((number, i) => number !== expected[i]);
  expect(wrong === -1 ? [] : [wrong, numbers.slice(wrong, wrong + 5), expected.slice(wrong, wrong + 5)]).toEqual([]);
  expect(numbers.length).toBe(expected.length);
}

const test = testWith({ tools: ['strace'] });

describe.each([
  ['now and then', '2+7'],
  ['every second time', '1+2'],
])('strace answers sendmsg and sendmmsg with an error %s', (_, when) => {
  const check = async (code: string, calls: string) => {
    const address = code === 'EIO' ? '::1' : '127.0.0.1';
    const result = await run(address, 'all', `${calls}:error=${code}:when=${when}`);
    const { numbers, injected, lost, total, stats } = result;
    expect(injected).toBeGreaterThan(8);
    const missing = new Set(lost);
    expectNumbers(numbers, total, (i) => !missing.has(i));
    expect(stats).toEqual({ datagrams: total - lost.length, bytes: (total - lost.length) * SIZE });
    return result;
  };

  for (const code of ['EIO', 'EINVAL', 'ENOBUFS', 'ENOMEM', 'EPERM']) {
    test(`${code} is reported for exactly the datagrams that were not sent, and the others arrive once and in order`, async () => {
      expect(Object.keys((await check(code, 'sendmsg,sendmmsg')).met)).toEqual([code]);
    });
  }

  for (const code of ['EAGAIN', 'EINTR']) {
    test(`${code} is retried without an error, and every datagram arrives once and in order`, async () => {
      expect(await check(code, 'sendmsg,sendmmsg')).toMatchObject({ met: {}, lost: [] });
    });
  }

  // A call that follows one of the other kind may fail as well here, since strace counts each kind by itself: then the
  // error is that of this datagram, and is reported.
  for (const code of ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EMSGSIZE', 'EACCES']) {
    test(`${code}, which may belong to an earlier datagram, is retried once and reported when it occurs again`, async () => {
      expect(await check(code, 'sendmsg')).toMatchObject({ met: {}, lost: [] });
      expect(await check(code, 'sendmmsg')).toMatchObject({ met: {}, lost: [] });
      if (when === '1+2') expect(Object.keys((await check(code, 'sendmsg,sendmmsg')).met)).toEqual([code]);
    });
  }
});

describe('strace answers sendmmsg with a count', () => {
  test('sendBatch() sends only the rest of a batch when sendmmsg returns 3', async () => {
    const { numbers, injected, total, stats } = await run('127.0.0.1', 'batch', 'sendmmsg:retval=3:when=2');
    // The first batch was sent; strace reports three messages of the second, which were not sent.
    expect(injected).toBe(1);
    expectNumbers(numbers, total, (i) => i < 20 || i >= 23);
    expect(stats.datagrams).toBe(total);
  });

  test('every datagram arrives once and in order when sendmmsg sometimes returns 0', async () => {
    const { numbers, injected, total, met } = await run('127.0.0.1', 'all', 'sendmmsg:retval=0:when=1+2');
    expect(injected).toBeGreaterThan(8);
    expectNumbers(numbers, total, () => true);
    expect(met).toEqual({});
  });

  test('sendBatch() believes the count of sendmmsg and sends no datagram twice when it returns 1', async () => {
    const { numbers, injected, stats, total } = await run('127.0.0.1', 'batch', 'sendmmsg:retval=1:when=1+2');
    // Every second call is one datagram that was never sent.
    expect(numbers.length + injected).toBe(total);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(stats.datagrams).toBe(total);
  });
});
