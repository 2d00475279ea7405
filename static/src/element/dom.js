// @ts-check
/** Builds elements. Text goes in as text: nothing here, and nothing that uses it, parses markup. */

/**
 * Make an element with attributes and children; a string among the children is text.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string|boolean>} [attributes] true sets an empty one, false sets none
 * @param {...(Node|string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/**
 * Make an element that only shows `text`.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} text
 * @param {string} [className]
 */
export function textElement(tag, text, className) {
  return h(tag, className ? { class: className } : {}, text);
}

/**
 * Show `text` in `element`, and leave the document alone where it is shown already. A text that only grows is appended
 * to, so that what a reader has selected stays selected.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  const shown = element.firstChild;
  if (!(shown instanceof Text)) {
    if (text) element.textContent = text;
    return;
  }
  if (shown.data === text) return;
  if (text.startsWith(shown.data)) shown.appendData(text.slice(shown.data.length));
  else shown.data = text;
}
