/**
 * Prints, as JSON, how large clients are as an application would load them: bundled and minified, without React and without code
 * for Node.
 */
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const CLIENTS = {
  "relay, element and client": ["../static", "export * from './relay.js'"],
  "relay, client only": ["../static/src", "export { RelayClient } from './client/relay-client.js'"],
  "@fal-ai/client": [".", "export * from '@fal-ai/client'"],
  "centrifuge (centrifuge-js)": [".", "export * from 'centrifuge'"],
  "@trigger.dev/react-hooks": [".", "export * from '@trigger.dev/react-hooks'"],
};

const sizes = [];
for (const [name, [resolveDir, contents]] of Object.entries(CLIENTS)) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    external: ["react", "react-dom", "node:*"],
    legalComments: "none",
    logLevel: "error",
    write: false,
  });
  const [{ contents: body }] = outputFiles;
  const [gzip, brotli] = [gzipSync(body, { level: 9 }).length, brotliCompressSync(body).length];
  sizes.push({ name, minified: body.length, gzip, brotli });
}
console.log(JSON.stringify(sizes));
