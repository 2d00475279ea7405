// @ts-check
/** Distinguishes a link that has expired from one that the relay refuses for another reason. Pure. */
import { expiryOf } from "../client/token-claims.js";

/** @import { RelayUpdate } from "../../relay.js" */

/**
 * Return when the link ended, in unix seconds.
 *
 * @param {Pick<RelayUpdate, "connection"|"fault">} update
 * @param {string} token the token of the link
 * @param {number} now the relay's clock
 * @returns {number|null} null if the link still works, or is refused for another reason
 */
export function linkEnd({ connection, fault }, token, now) {
  if (connection !== "refused") return null;
  const expiry = expiryOf(token);
  if (fault === "token_expired") return Math.min(expiry ?? now, now);
  return fault === "unauthorized" && expiry !== null && expiry <= now ? expiry : null;
}
