// @ts-check
/** Keeps the focus in a sensible place when the element that has it disappears. */

/**
 * Hide an element, or show it. If it is hidden while it contains the focus, `heir` receives the focus; otherwise the
 * focus would move to the top of the page.
 *
 * @param {HTMLElement} element
 * @param {boolean} hidden
 * @param {HTMLElement} heir
 */
export function setHidden(element, hidden, heir) {
  const hadFocus = hidden && !element.hidden && element.contains(focusedIn(element));
  element.hidden = hidden;
  if (hadFocus) focusOn(heir);
}

/** Focus an element that need not be a control, without scrolling to it. */
export function focusOn(/** @type {HTMLElement} */ element) {
  if (element.tabIndex < 0) element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

/** Return the focused element of the tree that an element belongs to, which may be a shadow root. */
function focusedIn(/** @type {Node} */ element) {
  const root = element.getRootNode();
  return root instanceof Document || root instanceof ShadowRoot ? root.activeElement : null;
}
