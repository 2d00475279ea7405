// @ts-check
/** What a task is about, in the words of its reader. Pure. */

/** @import { Done } from "../../relay.js" */
/** @import { ListedTask } from "../dashboard/api.js" */

/** Return the title of a task, or else its prompt, or else its model; always one line. */
export function titleOf(/** @type {ListedTask} */ { title, prompt, model }) {
  return oneLine(title) || oneLine(prompt) || model;
}

/** Return the name of a model without its owner. */
export function modelName(/** @type {string} */ model) {
  return model.slice(model.indexOf("/") + 1);
}

/** Return the last line of an error, which says what went wrong; empty if there is no error. */
export function lastLine(/** @type {Done|null} */ done) {
  const lines = (done?.error?.message ?? "").split(/[\r\n]+/).map((line) => line.trim());
  return lines.filter(Boolean).at(-1) ?? "";
}

function oneLine(/** @type {string|null|undefined} */ text) {
  return (text ?? "").replace(/\s+/g, " ").trim();
}
