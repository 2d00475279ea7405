export * from "./dist/elements.JGMKSXHI.js";
