// The layers of src as CONTRIBUTING.md shows them, from scripts/layers.mjs.
import { LAYERS } from '../layers.mjs';

const BEGIN = '<!-- layers: written by `npm run docs` from scripts/layers.mjs -->';
const END = '<!-- end of layers -->';

/**
 * A page with the list between its two marks replaced.
 * @param {string} page the present text of CONTRIBUTING.md
 * @returns {string}
 * @throws when a mark is missing
 */
export function withLayers(page) {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`CONTRIBUTING.md needs "${BEGIN}", and after it "${END}".`);
  return `${page.slice(0, begin)}${BEGIN}\n\n${layerList()}\n\n${page.slice(end)}`;
}

function layerList() {
  const width = Math.max(...LAYERS.map(({ path }) => path.length)) + 2;
  return `\`\`\`\n${LAYERS.map(({ path, says }) => path.padEnd(width) + says).join('\n')}\n\`\`\``;
}
