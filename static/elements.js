export * from "./dist/elements.VGGORSJ2.js";
