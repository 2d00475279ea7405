// @ts-check
/** The call `/v1/events`, which brings the messages of many subscriptions: as a stream, or as one answer. */

/** @typedef {import("./types.js").Entry} Entry */

/** Longer addresses are refused by some proxies (nginx takes 8 KiB for the whole request line). */
const LONGEST_URL = 2000;

/**
 * Make the request for `entries`. It is a plain GET where one token opens all of them and none goes on from a cursor;
 * else a POST that names a token and a cursor for each.
 *
 * @param {URL} base
 * @param {readonly Entry[]} entries
 * @param {"application/json"|"text/event-stream"} accept
 * @returns {{url: URL, init: RequestInit}}
 */
export function eventsCall(base, entries, accept) {
  const url = new URL("v1/events", base);
  /** @type {RequestInit} */
  const init = { cache: "no-store", credentials: "omit" };
  const address = new URL(url);
  for (const { aim } of entries) {
    for (const [name, value] of Object.entries(aim)) address.searchParams.append(name, String(value));
  }
  const [token, ...others] = new Set(entries.map((entry) => entry.token));
  const isPlain = others.length === 0 && entries.every(({ cursor }) => !cursor) && address.href.length <= LONGEST_URL;
  if (isPlain)
    return { url: address, init: { ...init, headers: { Accept: accept, Authorization: `Bearer ${token}` } } };
  const subscriptions = entries.map(({ aim, token, cursor }) => ({ ...aim, token, ...(cursor && { cursor }) }));
  const headers = { Accept: accept, "Content-Type": "application/json" };
  return { url, init: { ...init, method: "POST", headers, body: JSON.stringify({ subscriptions }) } };
}
