// @ts-check
/** Copies text to the clipboard. */

/**
 * Copy text. Pages without HTTPS, and some frames, are not allowed to.
 *
 * @param {string} text
 * @returns {Promise<boolean>} whether the text was copied
 */
export async function copyText(text) {
  if (!navigator.clipboard) return false;
  return navigator.clipboard.writeText(text).then(
    () => true,
    () => false,
  );
}
