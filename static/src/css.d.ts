/** A style sheet that is imported `with { type: "css" }`. Undefined where there is no DOM. */
declare module "*.css" {
  const sheet: CSSStyleSheet | undefined;
  export default sheet;
}
