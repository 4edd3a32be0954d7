// User name and password, compared in constant time.
import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * @param {{ user: string, password: string } | undefined} wanted
 * @param {string | undefined} user
 * @param {string | undefined} password
 */
export function mayPass(wanted, user, password) {
  if (wanted === undefined) return true;
  // Both are compared, even if the first is wrong.
  const userIsRight = same(wanted.user, user ?? '');
  const passwordIsRight = same(wanted.password, password ?? '');
  return userIsRight && passwordIsRight;
}

/** @param {string} a @param {string} b */
function same(a, b) {
  return timingSafeEqual(digest(a), digest(b));
}

/** @param {string} text */
function digest(text) {
  return createHash('sha256').update(text).digest();
}
