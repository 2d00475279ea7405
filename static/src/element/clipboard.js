// @ts-check
/** Hands a text to the reader's clipboard. */

/**
 * Put a text into the clipboard; a page without HTTPS, or a frame, may not.
 *
 * @param {string} text
 * @returns {Promise<boolean>} whether it is there
 */
export async function copyText(text) {
  if (!navigator.clipboard) return false;
  return navigator.clipboard.writeText(text).then(
    () => true,
    () => false,
  );
}
