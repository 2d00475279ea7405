export * from "./dist/elements.DFICHX2N.js";
