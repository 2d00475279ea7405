export * from "./dist/relay.4XAXTJMP.js";
