// @ts-check
/** Reads a page's address: the task in its path, and secrets in its fragment, which browsers do not send to servers. */

/** Return the last segment of the path, as in `/t/{id}` and `/embed/{id}`. */
export function taskFromPath() {
  const segment = location.pathname.split("/").filter(Boolean).at(-1) ?? "";
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) return segment;
    throw error;
  }
}

/** Return a value of the fragment (`#name=value`); empty if it is absent. */
export function fragmentValue(/** @type {string} */ name) {
  return new URLSearchParams(location.hash.slice(1)).get(name) ?? "";
}

/** Return a value of the query (`?name=value`); empty if it is absent. */
export function queryValue(/** @type {string} */ name) {
  return new URLSearchParams(location.search).get(name) ?? "";
}
