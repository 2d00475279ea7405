/** A page written in TypeScript, as its author sees relay.d.ts. Checked by tsc; never run. */
import { type Message, Problem, RelayBoard, RelayClient, reduce, run, type Snapshot, TaskError } from "./relay.js";

export function describe(message: Message): string {
  switch (message.type) {
    case "snapshot":
      return message.task.model;
    case "resumed":
      return `${message.events} events follow ${message.task}`;
    case "listed":
      return message.tag ?? "all tasks";
    case "deleted":
      return `${message.task} was deleted`;
    case "error":
      return `${message.code}: ${message.detail ?? ""}`;
    case "ping":
      return new Date((message.at ?? 0) * 1000).toISOString();
    case "submit":
      return message.data.tags.join(", ");
    case "hold":
      return `${message.data.position}: ${message.data.reason}`;
    case "output":
      if ("progress" in message.data) return `${message.data.progress.percent} %`;
      if ("log" in message.data) return message.data.log.text;
      if ("append" in message.data) return message.data.append.text;
      return message.data.outputs.map(({ url }) => url).join(", ");
    case "postprocess_end":
      return `${message.data.outputs.length} results`;
    case "done":
      return message.data.verdict;
    default:
      return `${message.seq}: ${message.type}`;
  }
}

const client = new RelayClient({ task: "t", getToken: async (topic) => ("task" in topic ? topic.task : null) });
let state: Snapshot | null = null;
client.addEventListener("update", ({ detail: { message, wire } }) => {
  if (message) state = reduce(state, message);
  if (message?.type === "done") console.log(message.data.cost?.amount.toFixed(4), wire);
});

const board = new RelayBoard({ base: "https://relay.example.com/" });
board.subscribeTag("campaign", "a token");
board.followAll("a key", [...board.states.values()]);
board.addEventListener("update", ({ detail }) => console.log(detail.task, detail.tag));

const element = document.createElement("relay-task");
element.task = "t";
element.addEventListener("relay-done", ({ detail }) => console.log(detail.state?.done?.evidence.join(" ")));
document.body.append(element);

export async function start(model: string, token: string, picture: File, bar: HTMLProgressElement): Promise<string[]> {
  const onUploadProgress = (share: number) => {
    bar.value = share;
  };
  const started = run(model, { prompt: "A lake", inputImage: [picture] }, { token, onUploadProgress });
  for await (const { progress, eta } of started) console.log(progress?.percent, eta?.p50_s);
  try {
    const { outputs } = await started;
    return outputs.flatMap(({ url }) => url ?? []);
  } catch (error) {
    if (error instanceof TaskError) return [error.state.done?.error?.message ?? "canceled"];
    if (error instanceof Problem) return error.errors.map(({ field, message }) => `${field}: ${message}`);
    throw error;
  }
}

export function misuse(message: Message) {
  // @ts-expect-error: only a `done` event has a verdict
  console.log(message.data.verdict);
  // @ts-expect-error: there is no such event
  if (message.type === "finished") console.log("never");
  // @ts-expect-error: a wire has a name of its own
  return new RelayClient({ task: "t", wire: "websocket" });
}
