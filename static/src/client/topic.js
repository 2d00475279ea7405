// @ts-check
/** The key of a topic, by which messages are matched with subscriptions. */

/** @import { Message, Topic } from "../../relay.js" */

export function keyOf(/** @type {Topic} */ topic) {
  if ("task" in topic) return `task ${topic.task}`;
  return "tag" in topic ? `tag ${topic.tag}` : "all";
}

/** Return whether the topic is a board, that is, a list of tasks. */
export function isBoard(/** @type {Topic} */ topic) {
  return !("task" in topic);
}

/**
 * Return the key of the topic that a message is about; null if it is about the connection.
 *
 * @param {Message} message
 * @returns {string|null}
 */
export function messageKey(message) {
  switch (message.type) {
    case "ping":
      return null;
    case "snapshot":
      return keyOf({ task: message.task.id });
    case "listed":
      return boardKey(message);
    case "error":
      return message.task === undefined ? boardKey(message) : keyOf({ task: message.task });
    default:
      return message.task === undefined ? null : keyOf({ task: message.task });
  }
}

/** @returns {string|null} */
function boardKey(/** @type {{tag?: string, all?: true}} */ { tag, all }) {
  if (all) return keyOf({ all });
  return tag === undefined ? null : keyOf({ tag });
}
