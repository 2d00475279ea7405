// @ts-check
/**
 * The texts of <relay-task>, by key. Views look them up when they render, so a page can replace them before it shows a
 * task: `setWords` takes the dictionary of another language.
 *
 * A text may contain values, such as `{count}`. A text that depends on `{count}` has a form for each plural category of
 * its language (https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Intl/PluralRules).
 */

/** @typedef {string | Partial<Record<Intl.LDMLPluralRule, string>>} Phrase */
/** @typedef {keyof typeof ENGLISH} WordKey */
/** @typedef {Partial<Record<WordKey, Phrase>>} Words */

export const ENGLISH = {
  "state.submitting": "Submitting",
  "state.held": "Waiting",
  "state.queued": "Queued",
  "state.preparing": "Preparing",
  "state.running": "Generating",
  "state.finishing": "Finishing",
  "state.succeeded": "Succeeded",
  "state.failed": "Failed",
  "state.canceled": "Canceled",
  "state.lost": "Lost",

  "step.queue": "Queued",
  "step.accept": "Accepted",
  "step.preprocess_start": "Preparing inputs",
  "step.preprocess_end": "Inputs ready",
  "step.assign": "Worker assigned",
  "step.start": "Generating",
  "step.end": "Generated",
  "step.postprocess_start": "Storing results",
  "step.postprocess_end": "Results ready",

  "connection.connecting": "connecting",
  "connection.live": "live",
  "connection.catching-up": "catching up",
  "connection.polling": "polling",
  "connection.offline": "offline",
  "connection.ended": "ended",
  "connection.refused": "refused",
  missing: { one: "{count} event is still to come", other: "{count} events are still to come" },
  "lost.refused": "This task cannot be shown",
  "lost.offline": "Connection lost (since {time})",
  "lost.reconnecting": "Reconnecting. The task continues in the meantime.",

  "head.started": "started {time}",
  "head.took": "took {time}",
  loading: "Loading the task",

  "time.seconds": "{s} s",
  "time.minutes": "{min} min {s} s",
  "time.hours": "{h} h {min} min",
  "ago.now": "now",
  "ago.seconds": "{n} s ago",
  "ago.minutes": "{n} min ago",
  "ago.hours": "{n} h ago",
  "ago.days": "{n} d ago",
  "size.bytes": "{n} B",
  "size.kilobytes": "{n} kB",
  "size.megabytes": "{n} MB",

  progress: "Progress",
  "progress.step": "step {step}",
  "progress.step_of": "step {step} of {steps}",
  "progress.speed": "{speed} per s",
  "eta.about": "about {time} left",
  "eta.range": "{low} to {high} left",
  "eta.up_to": "up to {time} left",
  "eta.overdue": "longer than usual",
  "eta.platform": "{left} (platform estimate)",
  "eta.history": {
    one: "{left} (based on {count} earlier run)",
    other: "{left} (based on {count} earlier runs)",
  },
  "cost.not_billed": "not billed",
  "cost.billed": "billed, amount unknown",
  "cost.unknown": "cost unknown",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a dollar sign before a value
  "cost.usd": "${amount}",
  "cost.credits": { one: "{count} credit", other: "{count} credits" },

  "notice.held": "Waiting for capacity on the platform",
  "notice.position": "Position {position} in the relay's queue.",
  "notice.next": "About to be submitted.",
  "notice.quiet": "No updates for {time}",
  "notice.stuck": "Stuck for {time}",
  "notice.checked": "The relay asked the platform: {answer}",
  "notice.cancel": "Cancellation requested",
  "notice.cancel_by": "By {by}. The outcome is not known yet.",

  "cancel.cancel": "Cancel task",
  "cancel.confirm": "Yes, cancel it",
  "cancel.keep": "Keep running",
  "cancel.warning": "Results so far will be lost.",
  "cancel.requested": "Cancellation requested.",

  stages: "Stages",
  "stages.all": "All steps",
  "stages.starting": "Starting",
  "stages.waiting": "Waiting",
  "stages.done": "Done",
  "stages.usual": "Usually {time}",
  "stages.usual_range": "Usually {low} to {high}",
  "stages.now": "now",
  "stages.skipped": "skipped",
  "stages.ahead": "not yet",
  "stages.reconstructed": "Reconstructed from the platform's record.",
  "source.reconciled": "reconstructed",
  "source.callback": "from a callback",
  "source.polled": "from polling",
  "source.relay": "from the relay",

  verdict: "Verdict",
  "verdict.evidence": "Evidence",
  "verdict.platform_time": "{time} on the platform",
  "verdict.exit_code": "exit code {code}",
  "verdict.inferred": "inferred: the platform did not report it",
  "verdict.code": "error code {code}",
  "failure.memory": "Out of memory",
  "failure.funds": "Insufficient funds",
  "failure.key": "The platform rejected the relay's key",
  "failure.concurrency": "Too many concurrent tasks",
  "failure.inputs": "The inputs were rejected",
  "failure.input": "The input “{input}” was rejected",
  "failure.rest": { one: "The whole error, {count} line", other: "The whole error, {count} lines" },
  "count.image": { one: "{count} picture", other: "{count} pictures" },
  "count.video": { one: "{count} video", other: "{count} videos" },
  "count.audio": { one: "{count} audio file", other: "{count} audio files" },
  "count.file": { one: "{count} file", other: "{count} files" },
  "announce.ready": "Ready: {results}",
  "announce.stalled": "No updates for a while",
  numbers: "Figures",
  "numbers.time": "Time",
  "numbers.cost": "Cost",
  "numbers.provider": "Provider",
  "numbers.speed": "Speed",

  "advice.canceled": "It was canceled on request. Start it again if that was a mistake.",
  "advice.lost":
    "The outcome is unknown. Check the task on the platform before you start it again: it may have been billed.",
  "advice.input": "Change the input “{input}” and start it again.",
  "advice.concurrency":
    "The account has reached its limit of concurrent tasks. Wait for one to end, then start it again.",
  "advice.funds": "The account has insufficient funds. Top it up on the platform, then start it again.",
  "advice.key": "The platform rejected the relay's key. The operator of the relay has to check its settings.",
  "advice.inputs": "The platform rejected these inputs. Change them and start it again.",
  "advice.memory": "The model ran out of memory. A smaller size or fewer images may help.",
  "advice.free": "You can start it again at no extra cost.",
  "advice.log": "See the log below for the model's last output.",

  results: "Results",
  "result.unnamed": "result",
  "result.open": "Open in a new tab",
  "result.enlarge": "Enlarge {name}",
  "result.download": "Download",
  "result.download_name": "Download {name}",
  "result.downloadable": "This file can be downloaded.",
  "result.forbidden": "This type of address cannot be opened here.",
  "result.no_address": "This result has no address.",
  "result.retrying": "This file could not be loaded yet. Trying again…",
  "result.failed": "This file could not be loaded.",
  "result.retry": "Retry",
  "result.loading": "Loading…",
  "compare.compare": "Compare with the input",
  "compare.input": "Input",
  "compare.result": "Result",
  "compare.the_input": "The input",
  "compare.the_result": "The result",
  lightbox: "Enlarged result",
  "lightbox.close": "Close",
  "lightbox.previous": "← Previous",
  "lightbox.previous_label": "Previous picture",
  "lightbox.next": "Next →",
  "lightbox.next_label": "Next picture",
  "lightbox.position": "{name} ({number} of {total})",

  answer: "Answer",
  "answer.thinking": "Thinking",
  "answer.thinking_for": "Thinking… {time}",
  "answer.thought_for": "Thought for {time}",
  "answer.words": { one: "{count} word", other: "{count} words" },
  "answer.speed": "{speed}/s",
  "answer.function": "Function call",
  "answer.function_name": "Function call: {name}",
  "answer.tool": "Tool call",
  "answer.tool_name": "Tool call: {name}",

  log: "Log",
  "log.follow": "Follow",
  "log.end": "Jump to end ↓",
  "log.new": { one: "{count} new line ↓", other: "{count} new lines ↓" },
  "log.dropped": "Older lines were dropped. Only the newest are kept.",

  copy: "Copy",
  "copy.copied": "Copied",
  "copy.blocked": "Copying is blocked by the browser",
};

/** @type {Words} */
let current = ENGLISH;
let plurals = new Intl.PluralRules("en");

/**
 * Use the texts of another language from now on. Those that it lacks stay English.
 *
 * @param {Words} words
 * @param {string} language a BCP 47 tag, which decides the plural forms
 */
export function setWords(words, language) {
  current = { ...ENGLISH, ...words };
  plurals = new Intl.PluralRules(language);
}

/**
 * Return a text with its values filled in.
 *
 * @param {WordKey} key
 * @param {Record<string, string|number>} [values]
 * @returns {string}
 */
export function say(key, values = {}) {
  /** @type {Phrase} */
  const phrase = current[key] ?? ENGLISH[key];
  const text =
    typeof phrase === "string" ? phrase : (phrase[plurals.select(Number(values.count))] ?? phrase.other ?? key);
  return text.replace(
    /\{(\w+)\}/g,
    (/** @type {string} */ hole, /** @type {string} */ name) => `${values[name] ?? hole}`,
  );
}

/**
 * Return the text of a value that the relay may extend: an unknown one is shown as it is.
 *
 * @param {string} group the beginning of the key, such as `step`
 * @param {string} value
 */
export function sayKnown(group, value) {
  const key = `${group}.${value}`;
  return key in ENGLISH ? say(/** @type {WordKey} */ (key)) : value;
}

/**
 * Return the texts of a group by their values, such as those of `state` by the name of the state.
 *
 * @param {string} group
 * @returns {any}
 */
export function labels(group) {
  const found = {};
  for (const key of /** @type {WordKey[]} */ (Object.keys(ENGLISH))) {
    const [first, name] = key.split(".");
    if (first === group && name) Object.defineProperty(found, name, { enumerable: true, get: () => say(key) });
  }
  return found;
}
