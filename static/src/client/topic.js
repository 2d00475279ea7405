// @ts-check
/** What a subscription follows, and what a message is about, as one text: the key by which the two are matched. */

/** @typedef {import("./types.js").Aim} Aim */
/** @typedef {import("./types.js").Message} Message */

export function keyOf(/** @type {Aim} */ aim) {
  if ("task" in aim) return `task ${aim.task}`;
  return "tag" in aim ? `tag ${aim.tag}` : "all";
}

/** Does it follow a list of tasks, and not one task with its log? */
export function isBoard(/** @type {Aim} */ aim) {
  return !("task" in aim);
}

/**
 * The key of what a message is about; null where it is about the connection.
 *
 * @param {Message} message
 * @returns {string|null}
 */
export function subjectOf(message) {
  const { task, tag, all } = /** @type {{task?: string|import("./types.js").Snapshot, tag?: string, all?: boolean}} */ (
    message
  );
  if (all === true) return keyOf({ all });
  if (typeof tag === "string") return keyOf({ tag });
  if (task === undefined) return null;
  return keyOf({ task: typeof task === "string" ? task : task.id });
}
