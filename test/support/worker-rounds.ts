// Workers that are repeatedly terminated during an operation: what they leave behind in the process.
import { runNode } from './child.js';

/**
 * Starts workers that run `body`, the body of an async function, terminates each when it has posted a message, and returns
 * the output of the process: the number of descriptors left, and no warning.
 * @param times how many workers, in rounds of `atOnce`
 * @param held descriptors that a round has at least while its workers live, beyond those of the process
 */
export async function terminateWorkers(
  body: string,
  { times, atOnce = 4, held }: { readonly times: number; readonly atOnce?: number; readonly held: number },
): Promise<readonly [stdout: string, stderr: string]> {
  const script = `
    import { readdirSync } from 'node:fs';
    import { Worker } from 'node:worker_threads';
    const source = ${JSON.stringify(`(async () => { ${body} })();`)};
    const fds = () => readdirSync('/proc/self/fd').length;
    const round = () => new Promise((resolve, reject) => {
      const worker = new Worker(source, { eval: true, execArgv: [] });
      worker.once('error', reject).once('message', () => {
        most = Math.max(most, fds());
        worker.terminate().then(resolve, reject);
      });
    });
    let most = 0;
    await round(); // what Node opens with its first worker stays
    const before = fds();
    for (let i = 0; i < ${times}; i += ${atOnce}) await Promise.all(Array.from({ length: ${atOnce} }, round));
    if (most < before + ${held}) throw new Error('the workers held nothing: ' + most);
    console.log(fds() - before);
  `;
  const { stdout, stderr } = await runNode(script, { timeout: 100_000 });
  return [stdout, stderr];
}

/** No descriptor left, and no output. */
export const NOTHING_LEFT = ['0\n', ''] as const;
