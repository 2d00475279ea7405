export * from "./dist/relay.SYNAYIOC.js";
