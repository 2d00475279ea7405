// @ts-check
/** Decides which addresses from a task may become `src` or `href`. Pure. */

/**
 * Return the address if a link may use it, otherwise null. Allows http, https and blob.
 *
 * @param {string|null|undefined} url
 * @returns {string|null}
 */
export function linkUrl(url) {
  return withScheme(url, ["http:", "https:", "blob:"]);
}

/**
 * Return the address if media may be loaded from it, otherwise null. Allows `data:` images besides http, https and blob.
 *
 * @param {string|null|undefined} url
 * @returns {string|null}
 */
export function mediaUrl(url) {
  return linkUrl(url) ?? (/^data:image\//i.test(url ?? "") ? withScheme(url, ["data:"]) : null);
}

/**
 * @param {string|null|undefined} url
 * @param {string[]} schemes
 */
function withScheme(url, schemes) {
  const parsed = parse(url ?? "");
  return parsed && schemes.includes(parsed.protocol) ? parsed.href : null;
}

/** Return null for an invalid address, or a relative one, which would point into the page that shows it. */
function parse(/** @type {string} */ url) {
  try {
    return new URL(url); // `URL.canParse` is missing before Chrome 120, Firefox 115 and Safari 17
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
