export * from "./dist/relay.4G5PSNBL.js";
