// @ts-check
/** Which addresses that came as data may become `src` or `href`. Pure. */

/**
 * Return the address if a link may lead there, else null: http, https and blob, no script and no data.
 *
 * @param {string|null|undefined} url
 * @returns {string|null}
 */
export function linkUrl(url) {
  return withScheme(url, ["http:", "https:", "blob:"]);
}

/**
 * Return the address if media may be loaded from there, else null: what a link may, and pictures in `data:`.
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
  if (!url || !URL.canParse(url)) return null; // a relative address would point into the page that shows it
  const parsed = new URL(url);
  return schemes.includes(parsed.protocol) ? parsed.href : null;
}
