// @ts-check
/**
 * How many event streams a page may hold at one relay.
 *
 * HTTP/1.1 gives a browser six connections to a host. Streams that took them all would leave none for any other call,
 * and the seventh would wait for ever without a word. HTTP/2 has no such limit.
 */

const STREAMS_OVER_HTTP_1 = 4;

/** @type {Map<string, number>} */
const taken = new Map();

/**
 * Take a place for a stream.
 *
 * @param {URL} base
 * @returns {(() => void)|null} gives the place back, harmless when repeated; null where none is left
 */
export function takeStream({ host }) {
  const before = taken.get(host) ?? 0;
  if (before >= STREAMS_OVER_HTTP_1 && !speaksHttp2(host)) return null;
  taken.set(host, before + 1);
  let given = false;
  return () => {
    if (!given) taken.set(host, (taken.get(host) ?? 1) - 1);
    given = true;
  };
}

/** Was anything of this page fetched from `host` over HTTP/2 or later? A foreign host may keep it to itself. */
function speaksHttp2(/** @type {string} */ host) {
  return [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].some(
    (entry) =>
      new URL(entry.name).host === host &&
      /^h[23]/.test(/** @type {PerformanceResourceTiming} */ (entry).nextHopProtocol),
  );
}
