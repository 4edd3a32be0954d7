// The trials for connect, on the Node that runs them and on Node 26 where `npm run test:nodes -- 26` has fetched it.
import { node26 } from '../support/reference.mjs';

/** @typedef {import('../support/trial.mjs').Trial} Trial */

/** Enough for 8 pairs in a minute or two. */
const COUNT = 6000;
/** 8,192 ports, so that any usual limit of descriptors allows to fill them. */
const PORTS = /** @type {const} */ ([40000, 48191]);
const ALL = 8192;
const ALMOST = Math.round(ALL * 0.99);

/** @type {readonly Trial[]} */
export const CONNECT = [
  ...trials('ours', `Node ${process.versions.node.split('.')[0]}`, ''),
  ...(node26() === undefined ? [] : trials('node26', 'Node 26', '-26')),
];

/**
 * @param {'ours' | 'node26'} program
 * @param {string} title
 * @param {string} suffix
 * @returns {Trial[]}
 */
function trials(program, title, suffix) {
  return [
    {
      id: `plain${suffix}`,
      title: `${title}: connect() / net.connect()`,
      metric: 'cpu',
      unit: 'µs CPU',
      ours: [program, 'plain', 'ours', COUNT],
      reference: [program, 'plain', 'net', COUNT],
      figure: 'ratio',
      target: 1,
      gate: 0.85,
    },
    {
      id: `local${suffix}`,
      title: `${title}: connect() / net.connect(), with localAddress`,
      metric: 'cpu',
      unit: 'µs CPU',
      ours: [program, 'local', 'ours', COUNT],
      reference: [program, 'local', 'net', COUNT],
      figure: 'ratio',
      target: 1,
      gate: 0.85,
    },
    {
      id: `elsewhere${suffix}`,
      title: `${title}: connect() with all ports used toward another destination / with none (net.connect fails)`,
      metric: 'cpu',
      unit: 'µs CPU',
      ours: [program, 'elsewhere', 'ours', COUNT, ALL],
      reference: [program, 'elsewhere', 'ours', COUNT, 0],
      figure: 'ratio',
      target: 0.9,
      gate: 0.8,
      ports: PORTS,
    },
    {
      id: `full-p99${suffix}`,
      title: `${title}: connect() at 99 % full / at 0 %, p99`,
      metric: 'p99',
      unit: 'µs',
      ours: [program, 'latency', 'ours', 2000, ALMOST],
      reference: [program, 'latency', 'ours', 2000, 0],
      figure: 'times',
      target: 2,
      gate: 4,
      ports: PORTS,
    },
  ];
}
