// @ts-check
/**
 * Reads claims from a token without verifying it. The relay decides what a token allows; this only hides buttons that
 * the relay would refuse. Pure.
 */

/**
 * Return whether a token allows an action.
 *
 * @param {string} token a viewer token, or an API key, which allows everything
 * @param {"view"|"cancel"|"input"|"start"} action
 */
export function allows(token, action) {
  if (!token) return false; // it is still to come from getToken
  const claims = claimsOf(token);
  return (
    claims === null ||
    String(claims.scope ?? "view")
      .split(" ")
      .includes(action)
  );
}

/**
 * Return when a token expires, in unix seconds.
 *
 * @param {string} token
 * @returns {number|null} null for an API key
 */
export function expiryOf(token) {
  const expiry = claimsOf(token)?.exp;
  return typeof expiry === "number" ? expiry : null;
}

/**
 * @param {string} token
 * @returns {Record<string, unknown>|null} null if it is not a JWT
 */
function claimsOf(token) {
  const payload = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token)?.[1];
  if (!payload) return null;
  try {
    const claims = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
    return typeof claims === "object" ? claims : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DOMException) return null; // not JSON or not base64
    throw error;
  }
}
