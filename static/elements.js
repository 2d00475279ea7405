export * from "./dist/elements.DV5IDU2K.js";
