// @ts-check
/** Builds requests for `/v1/events`, which returns the messages of many subscriptions as a stream or as JSON. */

/** @import { SubscribeRequest } from "./wire-types.js" */

/** Some proxies reject longer addresses; nginx accepts 8 KiB for the whole request line. */
const LONGEST_URL = 2000;

/**
 * Build the request for some subscriptions: a plain GET if they share one token and none resumes from a cursor,
 * otherwise a POST that names a token and a cursor for each.
 *
 * @param {URL} base
 * @param {readonly SubscribeRequest[]} requests
 * @param {"application/json"|"text/event-stream"} accept
 * @returns {{url: URL, init: RequestInit}}
 */
export function eventsRequest(base, requests, accept) {
  const url = new URL("v1/events", base);
  /** @type {RequestInit} */
  const init = { cache: "no-store", credentials: "omit" };
  const address = new URL(url);
  for (const { topic } of requests) {
    for (const [name, value] of Object.entries(topic)) address.searchParams.append(name, String(value));
  }
  const [token, ...otherTokens] = new Set(requests.map((request) => request.token));
  const isPlain =
    otherTokens.length === 0 && requests.every(({ cursor }) => !cursor) && address.href.length <= LONGEST_URL;
  if (isPlain) {
    return { url: address, init: { ...init, headers: { Accept: accept, Authorization: `Bearer ${token}` } } };
  }
  const subscriptions = requests.map(({ topic, token, cursor }) => ({ ...topic, token, ...(cursor && { cursor }) }));
  const headers = { Accept: accept, "Content-Type": "application/json" };
  return { url, init: { ...init, method: "POST", headers, body: JSON.stringify({ subscriptions }) } };
}
