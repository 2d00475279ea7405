export * from "./dist/relay.J4QAMCOU.js";
