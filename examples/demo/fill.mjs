// Fills a whole port range twice: with the range that reserve() always sets on the socket, and without. Runs in its own
// namespace, whose sysctl sets the range; the host's ports are never filled.
import { writeFileSync } from 'node:fs';
import { NativeSocket, reserve, reserveMany } from 'linux-sockets';

const REMOTE = { address: '127.0.0.1', port: 9 };
const LOCAL = { address: '127.0.0.1' };
const FIRST_PORT = 20000;

/**
 * @param {import('./report.mjs').Report} out
 * @param {number} wanted
 */
export function fillRange(out, wanted) {
  const ports = Math.min(wanted, descriptorsLeft());
  const last = FIRST_PORT + ports - 1;
  writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', `${FIRST_PORT} ${last}`);
  out.title(`5. Fill a whole range: ${ports} ports, ${FIRST_PORT}-${last}`);
  if (ports < wanted) out.line(`   (the limit of open files, ulimit -n, allows no more)`);
  // Once without measuring: code gets compiled, and the kernel's table of descriptors grows to its size.
  for (const reservation of reserveMany(ports, { remote: REMOTE, local: LOCAL })) reservation.release();
  for (let i = 0; i < 500; i++) reserveWithoutRange().close();
  const withRange = fill(out, 'with the range always set ', ports, () => reserve({ remote: REMOTE, local: LOCAL }));
  const withoutRange = fill(out, 'without it, as usual       ', ports, reserveWithoutRange);
  const ratio = withoutRange.lastHalf / withRange.lastHalf;
  out.line(`   In the second half of the range a port without it costs ${ratio.toFixed(1)} times as much.`);
  return { ports, withRange, withoutRange };
}

/**
 * Fills the range, tries one more port to show that it is full, and releases all. Returns microseconds per reservation.
 * @param {import('./report.mjs').Report} out
 * @param {string} label
 * @param {number} ports
 * @param {() => Disposable} make
 */
function fill(out, label, ports, make) {
  /** @type {Disposable[]} */
  const held = [];
  const half = ports >> 1;
  const start = performance.now();
  let middle = start;
  for (let i = 0; i < ports; i++) {
    held.push(make());
    if (i + 1 === half) middle = performance.now();
    if (i % 256 === 0) out.progress(`   ${label} ${i} of ${ports} …`, false);
  }
  const end = performance.now();
  const oneMore = codeOf(make);
  for (const reservation of held) reservation[Symbol.dispose]();
  const firstHalf = ((middle - start) / half) * 1000;
  const lastHalf = ((end - middle) / (ports - half)) * 1000;
  out.progress(
    `   ${label} ${ports} of ${ports} in ${((end - start) / 1000).toFixed(2)} s: ${firstHalf.toFixed(1)} µs each in the ` +
      `first half, ${lastHalf.toFixed(1)} µs in the second; one more: ${oneMore}`,
    true,
  );
  return { firstHalf, lastHalf, oneMore };
}

/** The same as reserve(), without IP_LOCAL_PORT_RANGE. */
function reserveWithoutRange() {
  const socket = NativeSocket.create({
    family: 'ipv4',
    type: 'stream',
    sockopts: { IP_BIND_ADDRESS_NO_PORT: true, TCP_FASTOPEN_CONNECT: true, TCP_FASTOPEN_NO_COOKIE: true },
  });
  try {
    socket.bind({ ...LOCAL, port: 0 });
    socket.connect(REMOTE);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** @param {() => Disposable} make */
function codeOf(make) {
  try {
    make()[Symbol.dispose]();
  } catch (error) {
    return /** @type {{ code: string }} */ (error).code;
  }
  return 'not refused';
}

/** How many descriptors this process may still open, minus some for Node itself. Node raises the soft limit to the hard one. */
function descriptorsLeft() {
  const report = /** @type {{ userLimits: { open_files: { soft: number | 'unlimited' } } }} */ (
    process.report.getReport()
  );
  const { soft } = report.userLimits.open_files;
  return soft === 'unlimited' ? Infinity : soft - 64;
}
