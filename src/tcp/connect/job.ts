// The state that all attempts of one connect() share.
import { type WaitPolicy } from '../../ports/wait-policy.js';
import type { Socket } from 'node:net';
import type { SocketHooks } from '../../node/connecting-socket.js';
import type { TcpHandle } from '../../node/tcp-handle.js';
import type { Candidates, Source } from '../../source/source.js';
import { Attempt } from './attempt.js';
import { Failures } from './failures.js';

export class Job implements SocketHooks {
  /** The requested source, or the candidates of a pool. */
  readonly from: Source | Candidates;
  /** Whether and how long to wait for a port. */
  readonly policy: WaitPolicy | undefined;
  readonly failures: Failures;
  /** The connecting socket. */
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
