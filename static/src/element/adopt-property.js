// @ts-check

/**
 * Pass on a property that was set on an element before its script was loaded, and that hides the accessor of its class.
 *
 * @template {HTMLElement} E
 * @param {E} element
 * @param {keyof E} name
 */
export function adoptProperty(element, name) {
  if (!Object.hasOwn(element, name)) return;
  const value = element[name];
  delete element[name];
  element[name] = value;
}
