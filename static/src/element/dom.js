// @ts-check
/** Builds elements. Strings become text: neither this module nor its callers parse markup. */

/**
 * Create an element with attributes and children.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string|boolean>} [attributes] true sets an empty attribute, false sets none
 * @param {...(Node|string)} children a string becomes text
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
 * Create an element that contains only text.
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
 * Set the text of an element. Unchanged text is left alone, and longer text is appended, so that a selection in it
 * stays selected.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  const node = element.firstChild;
  if (!(node instanceof Text)) {
    if (text) element.textContent = text;
    return;
  }
  if (node.data === text) return;
  if (text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
  else node.data = text;
}
