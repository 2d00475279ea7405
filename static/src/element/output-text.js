// @ts-check
/**
 * Extracts the text of an answer, from the stream and from the output that repeats it. Pure.
 *
 * Platforms use several formats: gen-2 models an ordered list of `segments`, gen-1 models the lists `thinking` and
 * `answer`, others a single `raw` or `message`. Any other format is shown as JSON.
 */

/** @import { Output } from "../../relay.js" */
/** @typedef {{kind: string, text: string, name?: string}} AnswerPart `name` is the name of a called function or tool */

/** The kinds of segments that are calls of functions and tools. */
const CALLS = new Set(["function_call", "custom_tool_call"]);

/**
 * Return the text contained in an output, in parts. A file has none.
 *
 * @param {Output} output
 * @returns {AnswerPart[]}
 */
export function outputText({ content_type, url, content }) {
  if (!content || (content_type !== "raw" && url)) return [];
  for (const parts of [segmentParts(content.segments), listParts(content), messageParts(content)]) {
    if (parts.length) return parts;
  }
  const isEmptyAnswer = ["segments", "answer", "raw", "message"].some((name) => isEmpty(content[name]));
  if (isEmptyAnswer) return [{ kind: "answer", text: "" }];
  return [{ kind: "raw", text: JSON.stringify(content, null, 2) }];
}

/**
 * Choose between the streamed parts and those of the outputs.
 *
 * If both contain the same text, keep the streamed parts: a reader may have opened or selected one. If they differ, the
 * stream was incomplete, and the output has the whole answer.
 *
 * @param {readonly AnswerPart[]} streamed
 * @param {readonly Output[]} outputs
 * @returns {readonly AnswerPart[]}
 */
export function answerOf(streamed, outputs) {
  const stored = outputs.flatMap(outputText);
  if (!streamed.length || !stored.length) return streamed.length ? streamed : stored;
  const [partial, whole] = [comparable(streamed), comparable(stored)];
  const isUnknown = stored.every(({ kind }) => kind === "raw");
  // A `raw` text may contain the thoughts before the answer.
  return isUnknown || (partial && whole.endsWith(partial)) ? streamed : stored;
}

/** Return the text without thoughts, normalized for comparison between formats. */
function comparable(/** @type {readonly AnswerPart[]} */ parts) {
  const answers = parts.filter(({ kind }) => kind !== "thinking");
  return answers
    .map(({ text, name = "" }) => withoutWrapper(text) + name)
    .join("")
    .replace(/\s+/g, "");
}

const ANSWER_END = "</answer>";

/** Remove the `<answer>` tags that some models put around their answer. */
export function withoutWrapper(/** @type {string} */ text) {
  const opened = text.replace(/^\s*<answer>\s*/i, "");
  const trimmed = opened.trimEnd(); // a pattern for the end would try every space of a long text
  return trimmed.slice(-ANSWER_END.length).toLowerCase() === ANSWER_END
    ? trimmed.slice(0, -ANSWER_END.length).trimEnd()
    : opened;
}

/** @returns {AnswerPart[]} */
function segmentParts(/** @type {unknown} */ segments) {
  if (!Array.isArray(segments)) return [];
  return segments.flatMap((segment) => {
    const fields = recordOf(segment);
    if (!fields) return [];
    const kind = typeof fields.type === "string" && fields.type ? fields.type : "answer";
    if (CALLS.has(kind)) {
      const name = typeof fields.name === "string" ? fields.name : "";
      return [{ kind, name, text: textOf(fields.arguments ?? fields.input ?? "") }];
    }
    const text = textOf(fields.text ?? fields.content ?? "");
    if (text) return [{ kind, text }];
    return kind === "thinking" || kind === "answer" ? [] : [{ kind, text: textOf({ ...fields, type: undefined }) }];
  });
}

/** @returns {AnswerPart[]} */
function listParts(/** @type {Record<string, unknown>} */ content) {
  return ["thinking", "answer"].flatMap((kind) => {
    const text = textOf(content[kind] ?? "");
    return text ? [{ kind, text }] : [];
  });
}

/** @returns {AnswerPart[]} */
function messageParts(/** @type {Record<string, unknown>} */ { raw, message }) {
  const answer = typeof raw === "string" ? raw : (recordOf(message)?.content ?? message);
  const text = typeof answer === "string" || Array.isArray(answer) ? textOf(answer) : "";
  return text ? [{ kind: "answer", text }] : [];
}

/**
 * Convert a value to text: a list becomes paragraphs, an object with a `text` becomes that, anything else JSON.
 *
 * @param {unknown} value
 * @returns {string}
 */
function textOf(value) {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(textOf).filter(Boolean).join("\n\n");
  const text = recordOf(value)?.text;
  return typeof text === "string" ? text : value == null ? "" : JSON.stringify(value, null, 2);
}

function isEmpty(/** @type {unknown} */ value) {
  return value === "" || (Array.isArray(value) && value.every((item) => item === "" || recordOf(item)?.text === ""));
}

/** @returns {Record<string, unknown>|null} */
function recordOf(/** @type {unknown} */ value) {
  return typeof value === "object" && value !== null ? /** @type {Record<string, unknown>} */ (value) : null;
}
