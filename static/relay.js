export * from "./dist/relay.EOJBM4XO.js";
