// Recipes of one kind of socket, found again: sources come in a row that differ in their address alone, and encoding the steps
// costs more than some of them.
import { BoundedMap } from '../bounded-map.js';
import type { Family } from '../wire/families.js';
import { Recipe, type Step } from './recipe.js';
import { boundAddress, type Source } from './source.js';

/** What the steps are made from. */
export interface Shape {
  readonly source: Source;
  readonly family: Family;
  /** There is an address for bind(2). */
  readonly binds: boolean;
}

export class Recipes {
  readonly #steps: (shape: Shape) => readonly Step[];
  readonly #known = new BoundedMap<string, Recipe>(MAX_RECIPES);
  #latest: (Shape & { readonly recipe: Recipe }) | undefined;

  /** @param steps the steps for a shape; they do not depend on the source's address, nor on its port but for being one */
  constructor(steps: (shape: Shape) => readonly Step[]) {
    this.#steps = steps;
  }

  /** The recipe for a source, its addresses to be set. It is good until the next call. */
  of(source: Source, family: Family): Recipe {
    const binds = boundAddress(source, family) !== undefined;
    const latest = this.#latest;
    // Even a key to look it up by costs more than a system call.
    if (latest?.family === family && latest.binds === binds && alike(latest.source, source)) return latest.recipe;
    const recipe = this.#find({ source, family, binds });
    this.#latest = { source, family, binds, recipe };
    return recipe;
  }

  #find(shape: Shape): Recipe {
    const { source, family, binds } = shape;
    if (source.sockopts.length > 0) return new Recipe(this.#steps(shape));
    const { port, range, rangeWanted, shareLocalPort, freebind, transparent, mark, device, protocol } = source;
    const key = [
      family,
      binds,
      port === 0,
      ...range,
      rangeWanted,
      shareLocalPort,
      freebind,
      transparent,
      mark,
      protocol,
    ];
    const name = `${key.join()} ${device ?? ''}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const recipe = new Recipe(this.#steps(shape));
    this.#known.set(name, recipe);
    return recipe;
  }
}

function alike(one: Source, other: Source): boolean {
  return (
    one === other ||
    ((one.port === 0) === (other.port === 0) &&
      one.range[0] === other.range[0] &&
      one.range[1] === other.range[1] &&
      one.rangeWanted === other.rangeWanted &&
      one.shareLocalPort === other.shareLocalPort &&
      one.freebind === other.freebind &&
      one.transparent === other.transparent &&
      one.mark === other.mark &&
      one.device === other.device &&
      one.protocol === other.protocol &&
      (one.sockopts === other.sockopts || (one.sockopts.length === 0 && other.sockopts.length === 0)))
  );
}

const MAX_RECIPES = 256;
