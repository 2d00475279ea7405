export * from "./dist/elements.NVDSQEQP.js";
