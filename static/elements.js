export * from "./dist/elements.IU6OFDTY.js";
