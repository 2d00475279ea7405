export * from "./dist/elements.ELRUPPSQ.js";
