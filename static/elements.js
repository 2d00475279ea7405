export * from "./dist/elements.ESMZNDMC.js";
