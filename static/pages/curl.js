// @ts-check
/** Writes the command that starts a task again. Pure. */

/** @import { Snapshot } from "../relay.js" */

/**
 * @param {string} base the relay's address
 * @param {Snapshot} task
 * @param {Record<string, unknown>} input
 * @returns {string} a command for a POSIX shell, which reads the key from `RELAY_API_KEY`
 */
export function curlOf(base, { model, provider, tags, title }, input) {
  const body = { model, provider, ...(title && { title }), ...(tags.length && { tags }), input };
  return [
    `curl ${quoted(new URL("v1/tasks", base).href)}`,
    '-H "Authorization: Bearer $RELAY_API_KEY"',
    "-H 'Content-Type: application/json'",
    `--data-binary ${quoted(JSON.stringify(body, null, 2))}`,
  ].join(" \\\n  ");
}

function quoted(/** @type {string} */ text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
