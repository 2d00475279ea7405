/**
 * Builds the npm package in clients/js/dist/ from the modules of static/src/: node .ci/package.js
 *
 * The client and the elements are bundled, in parts that they share. The entries for frameworks are copied: they import
 * these bundles, and their framework from the application.
 */
import { copyFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { styleSheets, TARGET } from "./style-sheets.js";

const PACKAGE = "clients/js";
const DIST = `${PACKAGE}/dist`;
const BUNDLED = ["index", "element"];

rmSync(DIST, { recursive: true, force: true });
await build({
  entryPoints: BUNDLED.map((name) => `${PACKAGE}/src/${name}.js`),
  splitting: true,
  chunkNames: "chunks/[name].[hash]",
  outdir: DIST,
  bundle: true,
  format: "esm",
  // Bundlers that an application uses would resolve it, and none of them serves the relay.
  define: { "import.meta.url": '""' },
  target: TARGET,
  plugins: [styleSheets],
  logLevel: "warning",
});
const bundled = BUNDLED.map((name) => `${name}.js`);
for (const name of readdirSync(`${PACKAGE}/src`)) {
  if (!bundled.includes(name)) copyFileSync(join(PACKAGE, "src", name), join(DIST, name));
}
for (const name of ["relay.d.ts", "elements.d.ts"]) copyFileSync(`static/${name}`, `${DIST}/${name}`);
copyFileSync("LICENSE", `${PACKAGE}/LICENSE`);
