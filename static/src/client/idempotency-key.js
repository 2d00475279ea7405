// @ts-check
/** Keys under which a start can be repeated without starting a second task. */

/** Create a key. `crypto.randomUUID` exists only on pages of a secure origin. */
export function newIdempotencyKey() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
