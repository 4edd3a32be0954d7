// The tests that are lost by the way they look at Node, not by what `connect()` does: each by name, with its reason.

/** @typedef {import('./routes.mjs').Route} Route */
/** @typedef {{ suite: string, test: string, routes: readonly Route[], lines?: readonly number[], reason: string }} Loss `lines` of Node; all when left out */

/** @type {readonly Loss[]} */
export const EXPECTED_LOSSES = [];
