// @ts-check
/** Styles a page. Its content is hidden until then, so that nothing flashes without styles. */
import theme from "../src/element/theme.css" with { type: "css" };
import page from "./page.css" with { type: "css" };

/** Adopt the style sheets that all pages share and those of this page, and show the content. */
export function showPage(/** @type {(CSSStyleSheet|undefined)[]} */ ...sheets) {
  document.adoptedStyleSheets = [theme, page, ...sheets].flatMap((sheet) => sheet ?? []);
  for (const part of document.body.children) part.removeAttribute("hidden");
}
