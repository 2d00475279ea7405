export * from "./dist/relay.HZ6K4HLO.js";
