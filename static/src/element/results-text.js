// @ts-check
/** Counts the results of a task in words: `9 pictures`, `1 video, 2 files`. Pure. */
import { say } from "./words.js";

/** @import { Output } from "../../relay.js" */

const KINDS = /** @type {const} */ (["image", "video", "audio", "file"]);

/**
 * @param {readonly Output[]} outputs answers are not counted
 * @returns {string} empty if there are none
 */
export function resultsText(outputs) {
  const files = outputs.filter(({ content_type, content }) => content_type !== "raw" && !content);
  const kinds = files.map(({ content_type }) => KINDS.find((kind) => content_type.startsWith(`${kind}/`)) ?? "file");
  return KINDS.map((kind) => ({ kind, count: kinds.filter((each) => each === kind).length }))
    .filter(({ count }) => count > 0)
    .map(({ kind, count }) => say(`count.${kind}`, { count }))
    .join(", ");
}
