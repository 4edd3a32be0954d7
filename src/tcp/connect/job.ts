// What all attempts of one connect() have in common, as Node's handles ask for it.
import { type WaitPolicy } from '../../ports/wait-policy.js';
import type { Socket } from 'node:net';
import type { SocketHooks } from '../../node/connecting-socket.js';
import type { TcpHandle } from '../../node/tcp-handle.js';
import type { Candidates, Source } from '../../source/source.js';
import { Attempt } from './attempt.js';
import { Failures } from './failures.js';

export class Job implements SocketHooks {
  /** The one source that was asked for, or what a pool offers. */
  readonly from: Source | Candidates;
  /** Whether to wait for a port. */
  readonly policy: WaitPolicy | undefined;
  readonly failures: Failures;
  /** The socket that connects. */
  socket?: Socket | undefined;

  constructor(from: Source | Candidates, policy: WaitPolicy | undefined) {
    this.from = from;
    this.policy = policy;
    this.failures = new Failures(typeof from === 'function');
  }

  handle(handle: TcpHandle, base: TcpHandle): Attempt {
    return new Attempt(handle, base, this);
  }

  explain(error: Error): Error {
    return this.failures.explain(error);
  }
}
