export * from "./dist/elements.M5IF7YGH.js";
