// A cache of the recipes of one kind of socket: consecutive sources often differ only in their address, and encoding the
// steps costs more than running some of them.
import { BoundedMap } from '../bounded-map.js';
import type { Family } from '../wire/families.js';
import { Recipe, type Step } from './recipe.js';
import { boundAddress, type Source } from './source.js';

/** What the steps are made from. */
export interface Shape {
  readonly source: Source;
  readonly family: Family;
  /** Whether there is an address for bind(2). */
  readonly binds: boolean;
}

export class Recipes {
  readonly #steps: (shape: Shape) => readonly Step[];
  readonly #known = new BoundedMap<string, Recipe>(MAX_RECIPES);
  #latest: (Shape & { readonly recipe: Recipe }) | undefined;

  /** @param steps returns the steps for a shape; they must not depend on the source's address or port number */
  constructor(steps: (shape: Shape) => readonly Step[]) {
    this.#steps = steps;
  }

  /** The recipe for a source, before its addresses are set. Valid until the next call. */
  of(source: Source, family: Family): Recipe {
    const binds = boundAddress(source, family) !== undefined;
    const latest = this.#latest;
    // Even computing a lookup key costs more than a system call.
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
