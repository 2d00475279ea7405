// @ts-check
/** Chooses the wires that a page may use, depending on the browser and its connections to the relay. */
import { openPollWire } from "./poll-wire.js";
import { openSharedStream } from "./shared-stream.js";
import { openSocketWire } from "./socket-wire.js";
import { openStreamWire } from "./stream-wire.js";

/** @import { WireName } from "../../relay.js" */
/** @import { OpenWire } from "./wire-types.js" */

/** Over HTTP/1.1 a browser opens six connections per host. Streams of one kind may use this many. */
const STREAMS_OVER_HTTP_1 = 2;

/**
 * @param {URL} base
 * @param {"tasks"|"boards"} kind
 * @param {WireName} preferred the first wire to use
 * @param {number} index the position of the connection among those of the page
 * @returns {ReadonlyMap<WireName, OpenWire>} the preferred wire first
 */
export function wiresFor(base, kind, preferred, index) {
  /** @type {[WireName, OpenWire|null][]} */
  const all = [
    ["ws", typeof WebSocket === "function" ? openSocketWire : null],
    ["sse", streamFor(base, kind, index)],
    ["poll", openPollWire],
  ];
  const wanted = all.slice(all.findIndex(([name]) => name === preferred));
  return new Map(wanted.flatMap(([name, open]) => (open ? [[name, open]] : [])));
}

/**
 * Over HTTP/1.1 a stream per tab would use up the browser's connections, and the seventh tab would wait forever. The
 * tabs of a site therefore share one stream. Where they cannot communicate, there is none.
 *
 * @param {URL} base
 * @param {"tasks"|"boards"} kind
 * @param {number} index
 * @returns {OpenWire|null}
 */
function streamFor(base, kind, index) {
  const isBrowser = globalThis.document !== undefined;
  if (!isBrowser || usesHttp2(base)) return openStreamWire;
  if (!canReachOtherTabs() || index >= STREAMS_OVER_HTTP_1) return null;
  return (options) => openSharedStream(options, `relay.2 ${kind} ${index} ${base.href}`);
}

/** Return whether this page can reach other tabs of its site. Plain HTTP and frames without an origin forbid it. */
function canReachOtherTabs() {
  return globalThis.origin !== "null" && Boolean(globalThis.navigator?.locks) && "BroadcastChannel" in globalThis;
}

/** Return whether the page fetched anything from the relay over HTTP/2 or later. A foreign host may not disclose it. */
function usesHttp2(/** @type {URL} */ { host }) {
  const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return entries.some(
    (entry) =>
      new URL(entry.name).host === host &&
      /^h[23]/.test(/** @type {PerformanceResourceTiming} */ (entry).nextHopProtocol),
  );
}
