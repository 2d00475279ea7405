// @ts-check
/** Which wires a page has to a relay, the best first, by what the browser and its connections allow. */
import { openPollWire } from "./poll-wire.js";
import { openSharedStream } from "./shared-stream.js";
import { openSocketWire } from "./socket-wire.js";
import { openStreamWire } from "./stream-wire.js";

/** @typedef {import("./types.js").OpenWire} OpenWire */
/** @typedef {import("./types.js").WireName} WireName */

/** HTTP/1.1 gives a browser six connections to a host. So many of them may be held by streams of one kind. */
const STREAMS_OVER_HTTP_1 = 2;

/**
 * @param {URL} base
 * @param {"tasks"|"boards"} kind
 * @param {WireName} best the first one that is wanted
 * @param {number} index the line's place among those of the page
 * @returns {ReadonlyMap<WireName, OpenWire>}
 */
export function wiresFor(base, kind, best, index) {
  /** @type {[WireName, OpenWire|null][]} */
  const all = [
    ["ws", typeof WebSocket === "function" ? openSocketWire : null],
    ["sse", streamFor(base, kind, index)],
    ["poll", openPollWire],
  ];
  const wanted = all.slice(all.findIndex(([name]) => name === best));
  return new Map(wanted.flatMap(([name, open]) => (open ? [[name, open]] : [])));
}

/**
 * A stream of one's own takes a connection from every other tab of the site, and the seventh would wait for ever. Over
 * HTTP/1.1 the tabs of a site therefore share one. Where they cannot, there is none.
 *
 * @param {URL} base
 * @param {"tasks"|"boards"} kind
 * @param {number} index
 * @returns {OpenWire|null}
 */
function streamFor(base, kind, index) {
  const isBrowser = globalThis.document !== undefined;
  if (!isBrowser || speaksHttp2(base)) return openStreamWire;
  if (!canShare() || index >= STREAMS_OVER_HTTP_1) return null;
  return (parts) => openSharedStream(parts, `relay ${kind} ${index} ${base.href}`);
}

/** Can this page speak with the other tabs of its site? Not over plain HTTP, and not in a frame without an origin. */
function canShare() {
  return globalThis.origin !== "null" && Boolean(globalThis.navigator?.locks) && "BroadcastChannel" in globalThis;
}

/** Was anything of this page fetched from the relay over HTTP/2 or later? A foreign host may keep it to itself. */
function speaksHttp2(/** @type {URL} */ { host }) {
  const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return entries.some(
    (entry) =>
      new URL(entry.name).host === host &&
      /^h[23]/.test(/** @type {PerformanceResourceTiming} */ (entry).nextHopProtocol),
  );
}
