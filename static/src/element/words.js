// @ts-check
/**
 * The texts of <relay-task>, by key. Views look them up when they render, so a page can replace them before it shows a
 * task: `setWords` takes the dictionary of another language.
 *
 * A text may contain values, such as `{count}`. A text that depends on `{count}` has a form for each plural category of
 * its language (https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Intl/PluralRules).
 */

/** @typedef {string | Partial<Record<Intl.LDMLPluralRule, string>>} Phrase */
/** @import { BOARD_WORDS } from "../board/board-words.js" */
/** @import { FORM_WORDS } from "../form/form-words.js" */
/** @import { RESULT_WORDS } from "./result-words.js" */
/** @typedef {keyof typeof ENGLISH | keyof typeof RESULT_WORDS} TaskWordKey */
/** @typedef {TaskWordKey | keyof typeof BOARD_WORDS | keyof typeof FORM_WORDS} WordKey */
/** @typedef {{[key in WordKey]?: Phrase}} Words */

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
  "lost.meanwhile": "The task continues in the meantime.",
  "lost.retry_in": "Reconnecting in {s} s",
  "lost.retrying": "Reconnecting…",
  "lost.retry": "Try now",
  "link.ended": "This link expired at {time}.",
  "link.past": "The page shows the state at that time.",
  "link.ask": "Ask for a new link to see the task.",

  "compact.loading": "Loading…",
  "compact.link_ended": "This link has expired",
  "compact.position": "position {position} in the queue",
  "compact.next": "about to be submitted",
  "compact.quiet": "no updates for {time}",
  "compact.stuck": "stuck for {time}",

  notify: "Notify me",
  "notify.sound": "You will hear a sound. The browser does not allow notifications from this page.",

  "head.started": "started {time}",
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
  "progress.measured": "Reported by the model.",
  "progress.estimated": "Estimated from the duration of similar tasks.",
  "progress.of_phase": "of phase {number}",
  "progress.overall": "{percent} of the task",
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
  "cancel.requesting": "Requesting the cancellation…",
  "cancel.requested": "Cancellation requested.",

  stages: "Stages",
  "stages.all": "All steps",
  "stages.starting": "Starting",
  "stages.waiting": "Waiting",
  "stages.done": "Done",
  "stages.usual": "Usually {time}",
  "stages.usual_range": "Usually {low} to {high}",
  "stages.expected": "Expected: {time} in total",
  "stages.expected_range": "Expected: {low} to {high} in total",
  "stages.now": "now",
  "stages.skipped": "skipped",
  "stages.ahead": "not yet",
  "stages.reconstructed": "Reconstructed from the platform's record.",
  "source.reconciled": "reconstructed",
  "source.callback": "from a callback",
  "source.polled": "from polling",
  "source.relay": "from the relay",

  "announce.stalled": "No updates for a while",
  verdict: "Verdict",
  results: "Results",
  answer: "Answer",
  log: "Log",
  "log.follow": "Follow",

  copy: "Copy",
};

/** The English texts that are loaded. @type {Words} */
const english = { ...ENGLISH };
/** Those of another language. @type {Words} */
let translated = {};
/** Those of the page, which take precedence. @type {Words} */
let own = {};
let language = "en";
let revision = 0;
let plurals = new Intl.PluralRules("en");

/** Add the English texts of views that are loaded later. */
export function addWords(/** @type {Words} */ words) {
  Object.assign(english, words);
}

/**
 * Use the texts of another language from now on. Those that it lacks stay English.
 *
 * @param {Words} words
 * @param {string} tag of BCP 47, which decides the plural forms
 */
export function setWords(words, tag) {
  translated = words;
  language = tag;
  revision += 1;
  plurals = new Intl.PluralRules(tag);
}

/** Use some texts of the page from now on, in any language. */
export function setOwnWords(/** @type {import("../../relay.js").Words} */ words) {
  own = words;
  revision += 1;
}

/** Return the language in use, as a BCP 47 tag. */
export function currentLanguage() {
  return language;
}

/** Return a number that increases whenever texts were replaced. */
export function wordsRevision() {
  return revision;
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
  const phrase = own[key] ?? translated[key] ?? english[key] ?? key;
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
