// @ts-check
/**
 * What a token lets its holder do, read from the token itself. The relay decides; this only spares buttons that it
 * would refuse. Pure.
 */

/**
 * @param {string} token a viewer token, or an API key, which may do everything
 * @param {"view"|"cancel"|"input"} wish
 */
export function allows(token, wish) {
  const claims = claimsOf(token);
  return (
    claims === null ||
    String(claims.scope ?? "view")
      .split(" ")
      .includes(wish)
  );
}

/**
 * @param {string} token
 * @returns {Record<string, unknown>|null} null for what is no JWT
 */
function claimsOf(token) {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  try {
    const claims = JSON.parse(atob(parts[1].replaceAll("-", "+").replaceAll("_", "/")));
    return typeof claims === "object" ? claims : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DOMException) return null;
    throw error;
  }
}
