// @ts-check
/** The form that starts a task. The dashboard loads this script once it shows its tasks. */
import { Api } from "../src/dashboard/api.js";
import { StartForm } from "../src/dashboard/start-form.js";
import fileInput from "../src/form/file-input.css" with { type: "css" };

/** @import { Started } from "../src/client/start-call.js" */

if (fileInput) document.adoptedStyleSheets.push(fileInput);

/**
 * @param {HTMLFormElement} form
 * @param {object} options
 * @param {() => string} options.key returns the API key
 * @param {(started: Started) => void} options.onStart
 */
export function createStartForm(form, { key, onStart }) {
  return new StartForm(form, { api: () => new Api(key()), key, onStart });
}
