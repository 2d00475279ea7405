// @ts-check
/** The links of the header: in a row on a wide screen, and behind a button on a phone. */

/**
 * Let a button open and close a menu. Escape, a click elsewhere, and leaving the menu close it.
 *
 * @param {HTMLElement} button
 * @param {HTMLElement} menu
 */
export function headerMenu(button, menu) {
  const isOpen = () => menu.hasAttribute("data-open");
  const open = (/** @type {boolean} */ value) => {
    menu.toggleAttribute("data-open", value);
    button.setAttribute("aria-expanded", String(value));
  };
  const isInside = (/** @type {EventTarget|null} */ target) =>
    target instanceof Node && (menu.contains(target) || button.contains(target));
  open(false);
  button.addEventListener("click", () => open(!isOpen()));
  menu.addEventListener("click", () => open(false));
  menu.addEventListener("focusout", ({ relatedTarget }) => {
    if (!isInside(relatedTarget)) open(false);
  });
  addEventListener("pointerdown", ({ target }) => {
    if (!isInside(target)) open(false);
  });
  addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !isOpen()) return;
    open(false);
    button.focus();
  });
}
