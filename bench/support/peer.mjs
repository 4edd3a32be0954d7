// The other end of a trial's traffic: a process that runs while both sides run in turn, on loopback or behind a veth pair
// in its own namespace.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { commandOf } from './trial.mjs';

/** @typedef {import('./trial.mjs').Trial} Trial */
/** @typedef {import('./trial.mjs').Programs} Programs */

/** The two addresses of the veth pair: this end, and the peer's. */
const NEAR = '10.99.0.1/24';
const FAR = '10.99.0.2/24';

/**
 * Starts the peer, if the trial has one, and waits until it is ready.
 * @param {Trial} trial
 * @param {Programs} programs
 * @returns {Promise<AsyncDisposable>}
 */
export async function startPeer(trial, programs) {
  if (trial.peer === undefined) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const [command, args] = commandOf(trial.peer, programs);
  const [program, ...before] = trial.veth === undefined ? [command] : ['unshare', '--net', '--', command];
  const peer = spawn(/** @type {string} */ (program), [...before, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(peer, 'close');
  const stop = async () => {
    peer.kill('SIGKILL');
    await closed;
    if (trial.veth !== undefined) ip('link', 'del', 'bench0');
  };
  await Promise.race([
    once(peer.stdout, 'data'),
    closed.then(([code]) => fail(`${trial.id}: the peer exited with ${code}`)),
  ]);
  if (trial.veth !== undefined) link(Number(peer.pid), trial.veth, programs);
  return { [Symbol.asyncDispose]: stop };
}

/**
 * @param {number} pid a process in the other namespace
 * @param {NonNullable<Trial['veth']>} segmentation
 * @param {Programs} programs
 */
function link(pid, segmentation, programs) {
  const there = ['nsenter', `--net=/proc/${pid}/ns/net`, '--'];
  ip('link', 'add', 'bench0', 'type', 'veth', 'peer', 'name', 'bench1', 'netns', `${pid}`);
  ip('address', 'add', NEAR, 'dev', 'bench0');
  call(...there, 'ip', 'address', 'add', FAR, 'dev', 'bench1');
  call(...there, 'ip', 'link', 'set', 'bench1', 'up');
  ip('link', 'set', 'bench0', 'up');
  if (segmentation === 'software') {
    const [command, args] = commandOf(['reference', 'offload', 'bench0', 'off'], programs);
    call(command, ...args);
  }
}

function ip(/** @type {string[]} */ ...args) {
  call('ip', ...args);
}

function call(/** @type {string[]} */ ...[command = '', ...args]) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) fail(`${command} ${args.join(' ')}: ${stderr}`);
}

/** @param {string} message @returns {never} */
function fail(message) {
  throw new Error(message);
}
