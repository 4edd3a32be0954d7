// ESLint rule: a file of src imports only from its own layer and from those below it, in the order of scripts/layers.mjs.
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LAYERS, layerOf } from '../layers.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** @type {import('eslint').Rule.RuleModule} */
export const layersRule = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      order: '{{to}} is above {{from}} in scripts/layers.mjs: import only from lines before your own.',
      unlisted: '{{file}} is in no layer: add a line to scripts/layers.mjs.',
    },
  },
  create(context) {
    const file = relative(root, context.filename).split(sep).join('/');
    const from = layerOf(file);
    if (from === -1) {
      return { Program: (node) => context.report({ node, messageId: 'unlisted', data: { file } }) };
    }
    /** @param {any} node with a `source`: an import, an export, import(), a type of import() */
    const checkSource = (node) => {
      const specifier = node.source?.value;
      if (typeof specifier !== 'string' || !specifier.startsWith('.')) return;
      const target = join(dirname(file), specifier).split(sep).join('/').replace(/\.js$/, '.ts');
      const to = layerOf(target);
      if (to === -1) context.report({ node: node.source, messageId: 'unlisted', data: { file: target } });
      else if (to > from) {
        const data = { from: LAYERS[from]?.path ?? '', to: LAYERS[to]?.path ?? '' };
        context.report({ node: node.source, messageId: 'order', data });
      }
    };
    return {
      ImportDeclaration: checkSource,
      ImportExpression: checkSource,
      ExportNamedDeclaration: checkSource,
      ExportAllDeclaration: checkSource,
      TSImportType: checkSource,
    };
  },
};
