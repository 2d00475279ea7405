export * from "./dist/elements.A4YDZULX.js";
