// @ts-check
/** What a page's address says: the task in its path, secrets in its fragment, which no server ever sees. */

/** The last part of the path, as in `/t/{id}` and `/embed/{id}`. */
export function taskOfPath() {
  const last = location.pathname.split("/").filter(Boolean).at(-1) ?? "";
  try {
    return decodeURIComponent(last);
  } catch (error) {
    if (error instanceof URIError) return last;
    throw error;
  }
}

/** A value of the fragment (`#name=value`), empty where there is none. */
export function ofFragment(/** @type {string} */ name) {
  return new URLSearchParams(location.hash.slice(1)).get(name) ?? "";
}

/** A value of the query (`?name=value`), empty where there is none. */
export function ofQuery(/** @type {string} */ name) {
  return new URLSearchParams(location.search).get(name) ?? "";
}
