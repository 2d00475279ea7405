export * from "./dist/elements.X2VYOWBJ.js";
