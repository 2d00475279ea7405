// @ts-check
/** The part that `/t/{id}` and `/embed/{id}` share: a <relay-task> for the task in the address. */
import "../src/element/define.js";
import { h, textElement } from "../src/element/dom.js";
import { fragmentValue, queryValue, taskFromPath } from "./address.js";

/**
 * A token of this tab that is preferred to the one in the address.
 *
 * @typedef {object} PreferredToken
 * @property {(task: string) => string} get returns it; empty if there is none
 * @property {(task: string) => Promise<string>} renew returns a fresh one; empty if there is none
 */

/**
 * Show the task, or explain what the address lacks. Reacts when the fragment changes because another link is opened.
 *
 * @param {HTMLElement} container
 * @param {PreferredToken} [preferred]
 * @param {Record<string, string>} [attributes] further attributes of the element
 * @param {readonly Node[]} [parts] of the page, for the slots of the element
 */
export function showTask(container, preferred, attributes = {}, parts = []) {
  const show = () => {
    const token = fragmentValue("token") && (preferred?.get(taskFromPath()) || fragmentValue("token"));
    const element = container.querySelector("relay-task");
    if (!token) container.replaceChildren(missingToken());
    else if (element) element.token = token;
    else container.replaceChildren(taskElement(token, preferred, attributes, parts));
  };
  addEventListener("hashchange", show);
  show();
}

/**
 * @param {string} token
 * @param {PreferredToken|undefined} preferred
 * @param {Record<string, string>} attributes
 * @param {readonly Node[]} parts
 */
function taskElement(token, preferred, attributes, parts) {
  const element = document.createElement("relay-task");
  element.append(...parts);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.task = taskFromPath();
  element.token = token;
  if (preferred?.get(taskFromPath())) {
    element.getToken = async () => {
      const fresh = (await preferred.renew(taskFromPath())) || fragmentValue("token");
      if (fresh === element.token) return ""; // the token in the address has expired as well
      element.token = fresh; // its scope may differ
      return fresh;
    };
  }
  if (queryValue("wire")) element.setAttribute("wire", queryValue("wire"));
  return element;
}

/** Explain that the link is incomplete, as when an email client cut it. */
export function missingToken() {
  return h(
    "section",
    { class: "card" },
    textElement("h2", "This link is incomplete"),
    textElement("p", "The part after the # sign is missing. It holds the token that opens the task: #token=…"),
    textElement("p", "Copy the whole link again, or ask the person who sent it for a new one.", "faint"),
  );
}
