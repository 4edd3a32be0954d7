// What a failed listen means and what to do about it. The shape is what Node makes of its own listeners' failures: bind(2)
// and listen(2) are both `syscall: 'listen'`, which servers' error handlers look for.
import { SyscallError } from '../../errors.js';
import type { Endpoint } from '../../wire/endpoint.js';
import { addressNotLocal, lacksZone, lowPort, noZone, type Explanation } from '../../source/remedies.js';
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, EINVAL } from '../../kernel/numbers.js';

/** The error of bind(2) or listen(2). @param inWorker in a cluster worker, where listeners are not shared */
export function explainListen(errno: number, endpoint: Endpoint, inWorker: boolean): SyscallError {
  const { address, port } = endpoint;
  return new SyscallError('listen', errno, { address, port, ...explanation(errno, endpoint, inWorker) });
}

function explanation(errno: number, endpoint: Endpoint, inWorker: boolean): Explanation {
  switch (errno) {
    case EADDRNOTAVAIL:
      return addressNotLocal(endpoint.address, endpoint.family, 'listen');
    case EADDRINUSE:
      if (endpoint.port === 0) return { reason: 'portRangeExhausted', remedy: 'Every ephemeral port is taken' };
      // Nothing is added to what everybody knows, but in a cluster the same code has just succeeded elsewhere.
      return inWorker
        ? {
            reason: 'portInUse',
            remedy:
              'Each worker of a cluster listens with a socket of its own here: share the port with reusePort: true',
          }
        : { reason: 'portInUse' };
    case EACCES:
      return lowPort();
    case EINVAL:
      return lacksZone(endpoint) ? noZone(endpoint) : {};
    default:
      return {};
  }
}
