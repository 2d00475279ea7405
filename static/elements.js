export * from "./dist/elements.F5LNYOPS.js";
