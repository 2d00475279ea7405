/**
 * Reads a task's log to its end with a third-party client, and prints one message per line.
 *
 *     node read.js CLIENT URL TOKEN
 *
 * URL is the task's URL in the API, without /events or /ws.
 */

const [client, url, token] = process.argv.slice(2);
const events = `${url}/events`;
const socket = `${url.replace(/^http/, "ws")}/ws`;
const headers = { Authorization: `Bearer ${token}` };

/** @param {string} data a message */
const print = (data) => process.stdout.write(`${data}\n`);

/** Whether a message is a task's last one. @param {string} data */
const isLast = (data) => {
  const message = JSON.parse(data);
  return message.type === "done" || (message.type === "snapshot" && message.task.done !== null);
};

/** Print the messages of an EventSource or a WebSocket until the task has ended. @param {EventTarget & { close(): void }} source */
const untilDone = (source) =>
  new Promise((resolve, reject) => {
    source.addEventListener("error", (event) => reject(new Error(`${client}: ${event.message ?? event.type}`)));
    source.addEventListener("message", (event) => {
      const data = /** @type {MessageEvent} */ (event).data;
      print(data);
      if (isLast(data)) {
        source.close();
        resolve(undefined);
      }
    });
  });

/** @type {Record<string, () => Promise<unknown>>} */
const readers = {
  async eventsource() {
    const { EventSource } = await import("eventsource");
    const withToken = (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } });
    await untilDone(new EventSource(events, { fetch: withToken }));
  },

  async "eventsource-client"() {
    const { createEventSource } = await import("eventsource-client");
    const source = createEventSource({ url: events, headers });
    for await (const { data } of source) {
      print(data);
      if (isLast(data)) {
        break;
      }
    }
    source.close();
  },

  async "eventsource-parser"() {
    const { EventSourceParserStream } = await import("eventsource-parser/stream");
    const answer = await fetch(events, { headers: { ...headers, Accept: "text/event-stream" } });
    const blocks = answer.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    for await (const { data } of blocks) {
      print(data);
    }
  },

  async "fetch-event-source"() {
    const { fetchEventSource } = await import("@fortaine/fetch-event-source");
    await fetchEventSource(events, { fetch, headers, openWhenHidden: true, onmessage: ({ data }) => print(data) });
  },

  async "undici-eventsource"() {
    const { EventSource } = await import("undici");
    await untilDone(new EventSource(`${events}?token=${token}`));
  },

  async "undici-websocket"() {
    const { WebSocket } = await import("undici");
    await untilDone(new WebSocket(socket, { protocols: ["relay.v1"], headers }));
  },

  async ws() {
    const { WebSocket } = await import("ws");
    const source = new WebSocket(socket, { headers });
    source.on("message", (data) => print(data.toString()));
    const [code] = await new Promise((resolve, reject) => {
      source.on("close", (...why) => resolve(why));
      source.on("error", reject);
    });
    if (code !== 1000) {
      throw new Error(`closed with ${code}`);
    }
  },

  async "isomorphic-ws"() {
    const { default: WebSocket } = await import("isomorphic-ws");
    await untilDone(new WebSocket(socket, ["relay.v1", `relay.token.${token}`]));
  },

  async "reconnecting-websocket"() {
    const { default: Reconnecting } = await import("reconnecting-websocket");
    const { WebSocket } = await import("ws");
    await untilDone(new Reconnecting(socket, ["relay.v1", `relay.token.${token}`], { WebSocket }));
  },
};

await readers[client]();
