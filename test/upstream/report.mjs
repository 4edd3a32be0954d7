// The report of a run, for people.

/** @typedef {import('./compare.mjs').Comparison} Comparison */
/** @typedef {{ suite: string, reason: string }} NotRun */
/**
 * @typedef {object} Row
 * @property {string} suite
 * @property {string} version of the suite
 * @property {number} files
 * @property {number} share the minimum share of its files that must have used the route; 0 when only some files ran
 * @property {number} passed without a route
 * @property {readonly string[]} failed without a route
 * @property {readonly string[]} flaky without a route
 * @property {readonly Comparison[]} routes
 */

/** @param {Row} row @returns {string[]} why the run fails; empty when it passed */
export function faults({ suite, files, share, routes }) {
  return routes.flatMap(({ route, lost, used, astray }) => {
    const unexpected = lost.filter((loss) => loss.expected === undefined && !(route !== 'connect' && loss.withNodes));
    return [
      ...unexpected.map(({ test }) => `${suite}, ${route}: ${test} passes without the route and fails with it`),
      ...(used === 0 || used < share * files ? [`${suite}, ${route}: only ${used} of ${files} files used it`] : []),
      ...(astray > 0 ? [`${suite}, ${route}: ${astray} connections left from a port outside the range`] : []),
    ];
  });
}

/** @param {Row} row */
export function print(row) {
  if (row.failed.length > 0) console.log(`\n${row.suite}: fail without a route: ${row.failed.join(', ')}`);
  const flaky = [...new Set([row.flaky, ...row.routes.map((one) => one.flaky)].flat())];
  if (flaky.length > 0) console.log(`\n${row.suite}: passed on the second attempt: ${flaky.join(', ')}`);
  for (const { route, lost, kept } of row.routes) {
    for (const { test, expected, withNodes, output } of lost) {
      const why = expected ?? (withNodes ? "lost with Node's own net.connect in the same places, too" : 'LOST');
      console.log(`\n${route}: ${test}: ${why}`);
      if (expected === undefined) console.log(output.replaceAll(/^/gm, '  | '));
    }
    for (const test of kept) console.log(`\n${route}: ${test} is listed in expected-losses.mjs, and passes`);
  }
}

/**
 * @param {readonly Row[]} rows
 * @param {readonly NotRun[]} notRun
 */
export function table(rows, notRun) {
  const head = [
    'suite',
    'of',
    'files',
    'passed',
    'route',
    'passed',
    'lost',
    'of them expected',
    'files that used it',
    'connections',
    'flaky',
  ];
  const lines = rows.flatMap((row) =>
    row.routes.map((one, index) => [
      ...(index === 0 ? [row.suite, row.version, row.files, row.passed] : ['', '', '', '']),
      one.route,
      one.passed,
      one.lost.length,
      one.lost.filter(({ expected, withNodes }) => expected ?? (one.route !== 'connect' && withNodes)).length,
      one.used,
      one.connections,
      one.flaky.length + (index === 0 ? row.flaky.length : 0),
    ]),
  );
  const cells = [head, ...lines].map((line) => line.map(String));
  const widths = head.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  for (const line of cells)
    console.log(
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  for (const { suite, reason } of notRun) console.log(`${suite}: not run: ${reason}`);
}
