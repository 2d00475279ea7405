// @ts-check
/** Chooses the address from which a result is loaded. Pure. */
import { baseUrl } from "../client/base.js";

/** @import { Output } from "../../relay.js" */
/** @import { Access } from "../client/task-calls.js" */

/**
 * Return the address of a result at the relay, which outlives the one at the platform. Without a token, or for a result
 * of an old log, return the platform's.
 *
 * The token is in the query because an `img` or `video` can send it in no other way.
 *
 * @param {Output} output
 * @param {Pick<Access, "base"|"token">|null} access
 * @returns {string|null}
 */
export function outputAddress({ href, url }, access) {
  if (!href || !access?.token) return url ?? null;
  const address = new URL(href.slice(1), baseUrl(access.base));
  address.searchParams.set("token", access.token);
  return address.href;
}
