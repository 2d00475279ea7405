export * from "./dist/elements.LGELPOO2.js";
