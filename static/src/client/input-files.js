// @ts-check
/** Separates the files of an input from the rest, which is sent as JSON. Pure. */

/** @import { Attachment } from "./upload.js" */

/**
 * Return the input without its files, and each file with the name of its form part. A list may have files and
 * addresses; the addresses stay.
 *
 * @param {Record<string, unknown>} input
 * @param {Readonly<Record<string, Blob|Iterable<Blob>>>} [files] more files, by the name of their part
 * @returns {{input: Record<string, unknown>, attachments: Attachment[]}}
 */
export function separateFiles(input, files = {}) {
  /** @type {Attachment[]} */
  const attachments = [];
  /** @type {Record<string, unknown>} */
  const rest = {};
  for (const [part, value] of Object.entries(input)) {
    const items = itemsOf(value);
    const found = items.filter(isFile);
    attachments.push(...found.map((file) => ({ part, file })));
    const others = items.filter((item) => !isFile(item));
    if (!found.length) rest[part] = value;
    else if (others.length) rest[part] = others;
  }
  for (const [part, value] of Object.entries(files)) {
    attachments.push(
      ...itemsOf(value)
        .filter(isFile)
        .map((file) => ({ part, file })),
    );
  }
  return { input: rest, attachments };
}

/** @returns {unknown[]} */
function itemsOf(/** @type {unknown} */ value) {
  const isIterable = typeof value === "object" && value !== null && Symbol.iterator in value;
  return isIterable ? [.../** @type {Iterable<unknown>} */ (value)] : [value];
}

/** @returns {item is Blob} */
function isFile(/** @type {unknown} */ item) {
  return item instanceof Blob;
}
