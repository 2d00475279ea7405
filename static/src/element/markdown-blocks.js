// @ts-check
/**
 * Divides light Markdown into blocks. Pure.
 *
 * Text that is appended changes the last block only and adds others, so a long answer is laid out once.
 */

/** @typedef {"paragraph"|"heading"|"list"|"code"|"quote"|"rule"} BlockKind */
/**
 * @typedef {object} Block
 * @property {BlockKind} kind
 * @property {string} text without the marks of the block
 * @property {number} level of a heading, from 1
 * @property {number} end where the next block starts
 */

/** A longer paragraph is divided at a line end: a block that grows is laid out in every frame. */
const LONGEST = 4000;

const FENCE = /^\s*(```+|~~~+)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const ITEM = /^\s*(?:[-*+•]|\d{1,4}[.)])\s+/;
const QUOTE = /^\s*>\s?/;
const RULE = /^\s*(?:-\s*){3,}$|^\s*(?:\*\s*){3,}$|^\s*(?:_\s*){3,}$/;

/**
 * Return the blocks of `text` from an offset on, at which a block starts.
 *
 * @param {string} text
 * @param {number} [start]
 * @returns {Block[]}
 */
export function blocksOf(text, start = 0) {
  const blocks = [];
  for (let at = start; at < text.length; ) {
    const { line, next } = lineAt(text, at);
    if (!line.trim()) {
      at = next;
      continue;
    }
    const block = blockAt(text, at, line, next);
    blocks.push(block);
    at = block.end;
  }
  return blocks;
}

/**
 * @param {string} text
 * @param {number} at
 * @param {string} line the line at `at`
 * @param {number} next where the next one starts
 * @returns {Block}
 */
function blockAt(text, at, line, next) {
  const fence = FENCE.exec(line)?.[1];
  if (fence) return code(text, next, fence);
  const heading = HEADING.exec(line);
  if (heading) return { kind: "heading", text: heading[2], level: heading[1].length, end: next };
  if (RULE.test(line)) return { kind: "rule", text: "", level: 0, end: next };
  const kind = ITEM.test(line) ? "list" : QUOTE.test(line) ? "quote" : "paragraph";
  const end = endOf(text, next, kind, at + LONGEST);
  const inner = text.slice(at, end).trimEnd();
  return { kind, text: kind === "quote" ? inner.replace(/^\s*>\s?/gm, "") : inner, level: 0, end };
}

/** Return a block of code. One that is not closed yet reaches to the end. */
function code(/** @type {string} */ text, /** @type {number} */ start, /** @type {string} */ fence) {
  for (let at = start; at < text.length; ) {
    const { line, next } = lineAt(text, at);
    if (line.trim().startsWith(fence))
      return { kind: /** @type {const} */ ("code"), text: text.slice(start, at), level: 0, end: next };
    at = next;
  }
  return { kind: /** @type {const} */ ("code"), text: text.slice(start), level: 0, end: text.length };
}

/**
 * Return where a block ends: before an empty line, or before a line that starts another kind of block.
 *
 * @param {string} text
 * @param {number} start of its second line
 * @param {BlockKind} kind
 * @param {number} limit where a long block is divided
 */
function endOf(text, start, kind, limit) {
  let at = start;
  while (at < text.length && at < limit) {
    const { line, next } = lineAt(text, at);
    if (!line.trim() || FENCE.test(line) || HEADING.test(line)) return at;
    if (kind === "paragraph" && (ITEM.test(line) || QUOTE.test(line))) return at;
    if (kind === "quote" && !QUOTE.test(line)) return at;
    at = next;
  }
  return at;
}

/**
 * @param {string} text
 * @param {number} at
 */
function lineAt(text, at) {
  const newline = text.indexOf("\n", at);
  return newline < 0
    ? { line: text.slice(at), next: text.length }
    : { line: text.slice(at, newline), next: newline + 1 };
}
