// @ts-check
/**
 * The event stream as a wire. What a stream follows is fixed when it is opened, so every change of that opens it anew,
 * from the cursors: nothing is lost, and changes that come together are one.
 *
 * @typedef {import("./types.js").Entry} Entry
 */

import { eventsCall } from "./events-request.js";
import { refuse } from "./http-close.js";
import { parse } from "./message.js";
import { openStream } from "./stream.js";
import { DEFAULT_ROOM, fullWords, roomOf } from "./subscription-limit.js";
import { subjectOf } from "./topic.js";

/** What is new is not kept waiting; what nobody wants any more does no harm for a while. */
const NEWS_S = 0.05;
const REST_S = 5;

/**
 * @param {import("./types.js").WireParts} parts
 * @returns {import("./types.js").Wire}
 */
export function openStreamWire({ base, entries, ready, hear, closed }) {
  /** @type {{close: () => void}|null} */
  let stream = null;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let changing;
  let isNews = true; // as long as it is not open, everything is
  let isClosed = false;
  let room = DEFAULT_ROOM;

  const open = () => {
    clearTimeout(changing);
    isNews = false;
    stream?.close();
    for (const { aim, token } of entries().slice(room)) {
      hear({ type: "error", ...aim, code: "forbidden", detail: fullWords(room) }, token);
    }
    const wanted = entries().slice(0, room);
    if (!wanted.length) return;
    const tokens = new Map(wanted.map(({ key, token }) => [key, token]));
    stream = openStream(eventsCall(base, wanted, "text/event-stream"), {
      message(text) {
        const message = parse(text);
        if (message === null)
          return closed({ kind: "again", reason: "the relay sent what is no message", reached: true });
        hear(message, tokens.get(subjectOf(message) ?? ""));
      },
      closed(ending) {
        if (ending.kind === "refused") return refuse(wanted, ending, hear);
        const limit = ending.kind === "again" ? roomOf(ending.reason) : null;
        const isTooMany = limit !== null && limit < room;
        if (isTooMany) room = limit;
        // A stream whose tasks have all ended is over, and what is wanted since then has another one.
        if (isNews || isTooMany) open();
        else if (entries().length) closed(ending);
      },
    });
  };
  const change = (/** @type {boolean} */ withNews) => {
    if (isNews) return;
    isNews = withNews;
    clearTimeout(changing);
    changing = setTimeout(open, (withNews ? NEWS_S : REST_S) * 1000);
  };
  ready().then(() => isClosed || open());
  return {
    ask: () => change(true),
    drop: () => change(false),
    renew: () => change(true),
    probe: () => false,
    close() {
      isClosed = true;
      clearTimeout(changing);
      stream?.close();
    },
  };
}
