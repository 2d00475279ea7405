// @ts-check
/** What a screen reader announces about the results of a task, or about its failure. Pure. */
import { failureOf } from "./failure.js";
import { STATE_LABELS } from "./format.js";
import { resultsText } from "./results-text.js";
import { say } from "./words.js";

/** @import { Snapshot } from "../../relay.js" */

/**
 * @param {Pick<Snapshot, "state"|"done"|"outputs">} state
 * @returns {string} empty if there is nothing to add to the state
 */
export function resultAnnouncement({ state, done, outputs }) {
  const results = resultsText(outputs);
  const isGood = done === null || done.verdict === "succeeded";
  const news = isGood ? results && say("announce.ready", { results }) : failureOf(done).cause;
  return news && `${STATE_LABELS[state]}. ${news}`;
}
