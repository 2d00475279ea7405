/**
 * Bundles the modules of static/ into one script per page, and relay.js, which other sites load: node .ci/bundle.js
 * Only checks that the committed files are what it would write: node .ci/bundle.js check
 *
 * It writes to static/dist/, which is committed, so that running and installing a relay needs no Node:
 * - NAME.HASH.js, and the same compressed. The address of a script changes with its content.
 * - The script of the embedded page in three parts: what it needs first, what it loads for a task that has produced
 *   something, and what both need (chunk); beside them the texts of other languages. All others are whole.
 * - early.js, which the relay puts into the pages themselves.
 * - manifest.json: the name of each script, and a digest of their sources, by which a test notices a forgotten run.
 * It also writes static/relay.js and static/elements.js, and the integrity of the versioned script into docs/embedding.md.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from "node:zlib";
import { build, transform, version } from "esbuild";
import { styleSheets, TARGET } from "./style-sheets.js";

/** For other sites. They are whole, because these check the integrity or bundle the script with their own. */
const SHARED = { relay: "static/src/relay.js", elements: "static/src/elements.js" };
const PAGES = {
  tag: "static/pages/tag.js",
  task: "static/pages/task.js",
  board: "static/pages/dashboard.js",
  start: "static/pages/start.js",
  inspect: "static/pages/inspect.js",
  insights: "static/pages/insights.js",
  webhooks: "static/pages/webhooks.js",
};
const DIVIDED = { embed: "static/pages/embed.js" };
const SOURCES = ["static/src", "static/pages"];
const DIST = "static/dist";
const DOCUMENT = "docs/embedding.md";
const INTEGRITY = /(?<=integrity=")sha384-[^"]*(?=")/g;

/** @returns {Promise<{name: string, body: Uint8Array}[]>} the scripts, by their names in static/dist/ */
async function scripts() {
  const divided = await bundle(DIVIDED, { splitting: true });
  const shared = await bundle(SHARED);
  const pages = await bundle(PAGES, { plugins: [dictionariesOf(divided)] });
  return [...divided, ...shared, ...pages];
}

/** Let pages load the texts of other languages, which are beside the embedded page, instead of containing them. */
function dictionariesOf(/** @type {{name: string}[]} */ divided) {
  return {
    name: "dictionaries",
    setup({ onResolve }) {
      onResolve({ filter: /\/words\/\w+\.js$/ }, ({ path }) => {
        const name = basename(path, ".js");
        return { path: `./${divided.find((script) => script.name.startsWith(`${name}.`)).name}`, external: true };
      });
    },
  };
}

async function bundle(entryPoints, { splitting = false, plugins = [] } = {}) {
  const { outputFiles } = await build({
    entryPoints,
    splitting,
    entryNames: "[name].[hash]",
    chunkNames: "[name].[hash]",
    outdir: DIST,
    bundle: true,
    format: "esm",
    minify: true,
    legalComments: "none",
    target: TARGET,
    plugins: [styleSheets, ...plugins],
    write: false,
    logLevel: "warning",
  });
  return outputFiles.map(({ path, contents }) => ({ name: basename(path), body: contents }));
}

/** Return a digest of everything that the result depends on. tests/test_bundle.py computes the same. */
function sourceDigest() {
  const files = SOURCES.flatMap((folder) =>
    readdirSync(folder, { recursive: true })
      .map((name) => join(folder, name).replaceAll("\\", "/"))
      .filter((path) => /\.(js|css)$/.test(path)),
  );
  const digest = createHash("sha256").update(`esbuild ${version}\n`);
  for (const path of [".ci/bundle.js", ".ci/style-sheets.js", ...files].sort()) {
    digest.update(`${path} ${createHash("sha256").update(readFileSync(path)).digest("hex")}\n`);
  }
  return digest.digest("hex");
}

/** Return all files with their contents, except the compressed ones. */
async function outputs() {
  const bundled = await scripts();
  const names = Object.fromEntries(bundled.map(({ name }) => [name.split(".")[0], name]));
  const early = await transform(readFileSync("static/pages/early.js", "utf8"), { minify: true, target: TARGET });
  const relay = bundled.find(({ name }) => name === names.relay);
  const integrity = `sha384-${createHash("sha384").update(relay.body).digest("base64")}`;
  const manifest = { sources: sourceDigest(), scripts: names, integrity };
  return new Map([
    ...bundled.map(({ name, body }) => [`${DIST}/${name}`, Buffer.from(body)]),
    [`${DIST}/early.js`, Buffer.from(early.code)],
    [`${DIST}/manifest.json`, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)],
    ...["relay", "elements"].map((name) => [
      `static/${name}.js`,
      Buffer.from(`export * from "./dist/${names[name]}";\n`),
    ]),
    [DOCUMENT, Buffer.from(readFileSync(DOCUMENT, "utf8").replace(INTEGRITY, integrity))],
  ]);
}

const isCompressed = (/** @type {string} */ path) => path.startsWith(DIST) && /\.\w{8}\.js$/.test(path);

function write(files) {
  rmSync(DIST, { recursive: true, force: true });
  mkdirSync(DIST);
  for (const [path, body] of files) {
    writeFileSync(path, body);
    if (!isCompressed(path)) continue;
    writeFileSync(`${path}.gz`, gzipSync(body, { level: 9 }));
    writeFileSync(`${path}.br`, brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
  }
}

/** Return what is missing, different or left over. Compressed bytes depend on the version of Node, so read their text. */
function differences(files) {
  const expected = new Map(files);
  const same = (path, body) => existsSync(path) && body.equals(readFileSync(path));
  const wrong = [...files].filter(([path, body]) => !same(path, body)).map(([path]) => path);
  for (const [path, body] of files) {
    if (!isCompressed(path)) continue;
    for (const [suffix, open] of [
      [".gz", gunzipSync],
      [".br", brotliDecompressSync],
    ]) {
      expected.set(path + suffix, body);
      if (!existsSync(path + suffix) || !body.equals(open(readFileSync(path + suffix)))) wrong.push(path + suffix);
    }
  }
  const left = existsSync(DIST) ? readdirSync(DIST).map((name) => `${DIST}/${name}`) : [];
  return [...wrong, ...left.filter((path) => !expected.has(path))];
}

const files = await outputs();
if (process.argv[2] === "check") {
  const wrong = differences(files);
  if (wrong.length) {
    console.error(`Not what the sources make: ${wrong.join(", ")}. Run \`make bundle\` and commit the result.`);
    process.exit(1);
  }
} else {
  write(files);
  for (const [path, body] of files) console.log(`${String(body.length).padStart(7)}  ${path}`);
}
