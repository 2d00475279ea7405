// @ts-check
/**
 * Keeps what was entered for each model, so that a reload or another model does not lose it. Drafts last as long as the
 * tab and until the operator signs out: prompts are private. Files are not kept.
 */
import { forgetSecrets, readSecret, writeSecret } from "./tab-store.js";

/**
 * @typedef {object} Draft
 * @property {Record<string, unknown>} input
 * @property {string} title
 * @property {string} tags
 */
/** @typedef {{model: string, provider?: string}} ModelName */

/** The name under which the last model is kept. */
const LAST = "relay.draft.last";

/** A larger draft, such as one with a file as a data: URL, is not kept: the storage of a tab is small. */
const LARGEST_CHARACTERS = 50_000;

const itemFor = (/** @type {ModelName} */ { model, provider = "" }) => `relay.draft:${provider}:${model}`;

/**
 * @param {ModelName} name
 * @returns {Draft|null}
 */
export function readDraft(name) {
  const text = readSecret(itemFor(name));
  return text ? JSON.parse(text) : null;
}

/**
 * @param {ModelName} name
 * @param {Draft} draft
 */
export function writeDraft(name, draft) {
  const text = JSON.stringify(draft);
  writeSecret(itemFor(name), text.length > LARGEST_CHARACTERS ? "" : text);
  writeSecret(LAST, JSON.stringify({ model: name.model, provider: name.provider }));
}

export function deleteDraft(/** @type {ModelName} */ name) {
  writeSecret(itemFor(name), "");
}

/** Return the model that was edited last. @returns {ModelName|null} */
export function lastModel() {
  const text = readSecret(LAST);
  return text ? JSON.parse(text) : null;
}

export function forgetDrafts() {
  forgetSecrets(/^relay\.draft[.:]/);
}
