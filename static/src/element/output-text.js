// @ts-check
/**
 * The text of an answer, from what was streamed and from the output that repeats it. Pure.
 *
 * Platforms write an answer in several shapes: gen-2 models an ordered list of `segments`, gen-1 models the lists
 * `thinking` and `answer`, others one `raw` or `message`. A shape that is none of these is shown as JSON.
 *
 * @typedef {import("../client/types.js").Output} Output
 * @typedef {{kind: string, text: string, name?: string}} AnswerPart `name` is that of a called function or tool
 */

/** What a model calls, rather than says. */
const CALLS = new Set(["function_call", "custom_tool_call"]);

/**
 * Return the text that an output carries in itself, in parts; none for a file.
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
 * Choose between the parts that were streamed and those of the outputs.
 *
 * The stream stays where both say the same: a reader may have opened or selected a part of it. Where they differ the
 * stream was cut off or never seen, and the output is the whole answer.
 *
 * @param {readonly AnswerPart[]} streamed
 * @param {readonly Output[]} outputs
 * @returns {readonly AnswerPart[]}
 */
export function answerOf(streamed, outputs) {
  const stored = outputs.flatMap(outputText);
  if (!streamed.length || !stored.length) return streamed.length ? streamed : stored;
  const [heard, whole] = [saidBy(streamed), saidBy(stored)];
  const isUnknown = stored.every(({ kind }) => kind === "raw");
  // A `raw` text may have the thoughts in front of the answer.
  return isUnknown || (heard && whole.endsWith(heard)) ? streamed : stored;
}

/** Everything but the thoughts, without what differs between the shapes of one answer. */
function saidBy(/** @type {readonly AnswerPart[]} */ parts) {
  const said = parts.filter(({ kind }) => kind !== "thinking");
  return said
    .map(({ text, name = "" }) => withoutWrapper(text) + name)
    .join("")
    .replace(/\s+/g, "");
}

/** Return the text without the `<answer>` tags that some models put around it. */
export function withoutWrapper(/** @type {string} */ text) {
  return text.replace(/^\s*<answer>\s*/i, "").replace(/\s*<\/answer>\s*$/i, "");
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
  const said = typeof raw === "string" ? raw : (recordOf(message)?.content ?? message);
  const text = typeof said === "string" || Array.isArray(said) ? textOf(said) : "";
  return text ? [{ kind: "answer", text }] : [];
}

/**
 * Return a text as it is, a list as its paragraphs, an object with a `text` as that, and anything else as JSON.
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
