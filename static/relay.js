export * from "./dist/relay.GEVY3DEY.js";
