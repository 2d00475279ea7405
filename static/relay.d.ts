/**
 * Types of relay.js. The modules in src/ import the data types from here, so that each is declared once;
 * the type checker compares the classes with their implementation.
 *
 * Field names are the wire contract. Times are unix seconds, durations end in `_s`.
 */

export type Verdict = "succeeded" | "failed" | "canceled" | "lost";
export type State = "submitting" | "held" | "queued" | "preparing" | "running" | "finishing" | Verdict;
export type Source = "live" | "reconciled" | "callback" | "polled" | "relay";
export type ConnectionState = "connecting" | "catching-up" | "live" | "polling" | "offline" | "ended" | "refused";
export type WireName = "ws" | "sse" | "poll";
export type FaultCode = "not_found" | "gone" | "forbidden" | "unauthorized" | "token_expired" | "internal" | "protocol";

/** What a subscription follows: one task, every task with a tag, or every task of the relay. */
export type Topic = { task: string } | { tag: string } | { all: true };

/** @deprecated Use `Topic`. */
export type Aim = Topic;

/**
 * Returns a fresh token. Called when there is no token, before the token expires, and when the relay reports it as
 * expired. Return null, undefined or an empty string when no token can be had: the client stops for good. If the
 * function throws, or does not answer within 10 s, the client calls it again with back-off.
 */
export type GetToken = (topic: Topic) => string | null | undefined | Promise<string | null | undefined>;

/** How long the whole task still needs, in seconds from `at` on (unix seconds by the relay's clock). */
export interface Remaining {
  /** Half of such tasks end within this time. */
  p50_s: number;
  /** Nine of ten tasks end within this time. */
  p90_s: number;
  /** Earlier runs, the percentage that the platform reports, or that percentage corrected by earlier runs. */
  basis: "history" | "platform" | "blend";
  /** The number of earlier runs behind the estimate. */
  samples: number;
  at: number;
}

/** The time left of the current phase. */
export interface Eta {
  low_s: number;
  high_s: number;
  /** The number of earlier runs behind the estimate; null if the platform gave it. */
  n: number | null;
  basis: "upstream" | "history";
}

export interface Phase {
  /** Counts from 0. */
  index: number;
  label: string | null;
  percent: number | null;
}

export interface Progress {
  percent: number | null;
  basis: "measured" | "estimated";
  step: number | null;
  steps: number | null;
  label: string | null;
  speed: number | null;
  unit: string | null;
  eta: Eta | null;
  /** The current phase; its `percent` restarts with each phase. Absent from old logs. */
  phase?: Phase | null;
}

export interface Log {
  stream: "stdout" | "stderr";
  text: string;
}

/** Part of a streamed answer: `text` replaces everything in the segment from `offset` on. */
export interface Append {
  segment: number;
  kind: string;
  offset: number;
  text: string;
}

export interface Segment {
  kind: string;
  text: string;
}

export interface Output {
  content_type: string;
  name?: string | null;
  /** In bytes. */
  size?: number | null;
  /** The file at the platform. */
  url?: string | null;
  /** The path of the file below the relay's address; it needs the token. Absent from old logs. */
  href?: string | null;
  /** Present when `content_type` is `raw`. */
  content?: Record<string, unknown> | null;
}

export interface Hold {
  reason: string;
  position: number;
}

export interface Cancel {
  by: string;
}

export interface Stall {
  silent_s: number;
  checked: string;
  /** Whether the platform's record says that the task is running. Absent from old logs, which means false. */
  confirmed?: boolean;
}

export interface Done {
  verdict: Verdict;
  exit_code: number | null;
  cost: { amount: number; unit: "usd" | "credits" } | null;
  elapsed_s: number | null;
  billed: boolean | null;
  inferred: boolean;
  evidence: string[];
  warnings?: string[];
  error: { code: number | string | null; message: string } | null;
}

export interface StageMark {
  type: string;
  at: number;
  source: Source;
}

/** The whole state of a task: the fold of its events. */
export interface Snapshot {
  id: string;
  provider: string;
  model: string;
  tags: string[];
  /** What the task is about, if the start has said; at most 200 characters. */
  title: string | null;
  upstream_id: string | null;
  state: State;
  epoch: string;
  seq: number;
  created_at: number;
  updated_at: number;
  ended_at: number | null;
  /** In the platform's order. */
  stages: StageMark[];
  progress: Progress | null;
  log: Log[];
  /** UTF-16 units cut from the front of `log`. */
  log_dropped: number;
  segments: Segment[];
  outputs: Output[];
  hold: Hold | null;
  cancel: Cancel | null;
  stall: Stall | null;
  done: Done | null;
  /** How long the whole task still needs; null while that is unknown, and when it has ended. */
  eta: Remaining | null;
}

/** The `data` of each type of event. */
export interface EventData {
  submit: { model: string; provider: string; tags: string[]; title?: string | null };
  hold: Hold;
  submitted: { upstream_id: string };
  queue: object;
  accept: object;
  preprocess_start: object;
  preprocess_end: object;
  assign: object;
  start: object;
  /** `log.before` is set for text learnt late: it belongs before the last `before` UTF-16 units of its stream. */
  output: { progress: Progress } | { log: Log & { before?: number } } | { append: Append } | { outputs: Output[] };
  end: object;
  postprocess_start: object;
  postprocess_end: { outputs: Output[] };
  cancel: Cancel;
  stall: Stall;
  stall_end: Stall;
  done: Done;
}

/** An entry of a task's log. Test `type` to narrow `data`. */
export type RelayEvent = {
  [Type in keyof EventData]: {
    type: Type;
    task: string;
    seq: number;
    state: State;
    at: number;
    source: Source;
    data: EventData[Type];
    /** A new estimate; most events have none, and the earlier one stays. */
    eta?: Remaining | null;
  };
}[keyof EventData];

/** `at` is the relay's clock. */
export interface SnapshotMessage {
  type: "snapshot";
  task: Snapshot;
  at?: number;
}

export interface ResumedMessage {
  type: "resumed";
  task: string;
  seq: number;
  events: number;
  at?: number;
}

export interface PingMessage {
  type: "ping";
  at?: number;
}

export interface ListedMessage {
  type: "listed";
  tag?: string;
  all?: true;
}

/** The task was deleted. */
export interface DeletedMessage {
  type: "deleted";
  task: string;
  at?: number;
}

export interface ErrorMessage {
  type: "error";
  task?: string;
  tag?: string;
  all?: true;
  code: FaultCode;
  detail?: string;
}

/** Any message of a relay. Ignore messages of other types: later versions may add some. */
export type Message =
  | SnapshotMessage
  | ResumedMessage
  | PingMessage
  | ListedMessage
  | DeletedMessage
  | ErrorMessage
  | RelayEvent;

export interface RelayUpdate {
  /** The whole state; null before the first message. */
  state: Snapshot | null;
  connection: ConnectionState;
  /** Why the relay refused the task, or why the connection is lost; otherwise empty. */
  reason: string;
  /** The code of a refusal. */
  fault: FaultCode | null;
  /** The message received; null if only the connection changed. */
  message: Message | null;
  /** The relay's clock minus the browser's. */
  clockOffset_s: number;
  /** When the connection was lost, in unix seconds of the browser's clock. */
  offlineSince: number | null;
  /** When the next attempt to connect starts, in unix seconds of the browser's clock; null if none is scheduled. */
  retryAt: number | null;
  /** When the last message arrived, in unix seconds of the browser's clock. */
  heardAt: number | null;
  /** How many missed events are still to come. */
  missing: number;
  /** The wire in use, or the one being tried. */
  wire: WireName;
}

export interface BoardUpdate {
  /** The task that `state` belongs to; null if the update is not about a task. */
  task: string | null;
  /** The tag whose subscription reported the task; null for a single task or for all tasks. */
  tag: string | null;
  state: Snapshot | null;
  /**
   * `error` if the relay ended a subscription; `listed` once the current tasks have all been reported; `deleted` if the
   * task was deleted, and `state` is null then.
   */
  message: Message | null;
  /** The worst state of all subscriptions; `ended` if there are none. */
  connection: ConnectionState;
  reason: string;
  /** When the connection was lost, in unix seconds of the browser's clock. */
  offlineSince: number | null;
  /** The relay's clock minus the browser's. */
  clockOffset_s: number;
}

/** An `EventTarget` that fires `update`, a `CustomEvent` with the given `detail`. */
export interface UpdateTarget<Detail> extends EventTarget {
  addEventListener(
    type: "update",
    listener: (event: CustomEvent<Detail>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener(
    type: "update",
    listener: (event: CustomEvent<Detail>) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** A viewer token or an API key, or a function that returns one, or both. */
export interface Credentials {
  token?: string;
  getToken?: GetToken;
}

export interface RelayClientOptions extends Credentials {
  task: string;
  /** The address of the relay. Defaults to the relay that served relay.js. */
  base?: string;
  /** The preferred wire; if it is blocked, the next one is used. */
  wire?: WireName;
  /** The cursor to resume from, for callers that keep the state themselves. */
  cursor?: string | null;
  /** The state to resume from. */
  state?: Snapshot | null;
}

declare const ClientTarget: new () => UpdateTarget<RelayUpdate>;
declare const BoardTarget: new () => UpdateTarget<BoardUpdate>;

/** Follows one task until it is done. Fires `update` for every message and every change of the connection. */
export class RelayClient extends ClientTarget {
  #private;
  constructor(options: RelayClientOptions);
  get state(): Snapshot | null;
  get cursor(): string | null;
  get connection(): ConnectionState;
  get reason(): string;
  get wire(): WireName;
  /** The token in use; empty before the first one. */
  get token(): string;
  get clockOffset_s(): number;
  stop(): void;
  resync(): void;
  cut(): void;
  renew(token: string): void;
}

/** Follows many tasks, all tasks of a tag, and all tasks of a relay. Fires `update`. */
export class RelayBoard extends BoardTarget {
  #private;
  constructor(options?: { base?: string });
  get states(): ReadonlyMap<string, Snapshot>;
  get connection(): ConnectionState;
  get clockOffset_s(): number;
  subscribe(task: string, token: string | Credentials, state?: Snapshot | null): void;
  unsubscribe(task: string): void;
  /** Follow the tasks of a tag. Of `states`, read from a list before, the relay sends those that have changed since. */
  subscribeTag(tag: string, token: string | Credentials, states?: readonly Snapshot[]): void;
  unsubscribeTag(tag: string): void;
  /** Follow every task, as `subscribeTag` does. Requires an API key. */
  followAll(key: string | Credentials, states?: readonly Snapshot[]): void;
  unfollowAll(): void;
  stop(): void;
  resync(): void;
}

/** Return the state after `message`. Pure: the same fold as the relay's own. */
export function reduce(state: Snapshot | null, message: Message, epoch?: string): Snapshot | null;

/** An input that a relay rejected, and why. */
export interface FieldError {
  /** Such as `input.size`, or `input.inputImage.2` for the third item of a list. */
  field: string;
  message: string;
}

/** An error response of the relay (RFC 9457), or a relay that cannot be reached. */
export class Problem extends Error {
  constructor(
    status: number,
    title: string,
    more?: {
      detail?: string;
      errors?: FieldError[];
      upstream?: { code?: number | string | null; message?: string } | null;
      code?: string;
      retry_s?: number;
    },
  );
  /** The HTTP status; 0 if it is not from a response. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly errors: FieldError[];
  /** What the platform said, if it refused the run. */
  readonly upstream: { code?: number | string | null; message?: string } | null;
  /** The relay's error code, such as `invalid_input`; empty if something other than the relay answered. */
  readonly code: string;
  /** The minimum wait before the next attempt. */
  readonly retry_s: number;
}

/** A task has ended without success. */
export class TaskError extends Error {
  constructor(state: Snapshot);
  /** The last state: `state.done` says why, and `state.outputs` is what it has produced. */
  readonly state: Snapshot;
}

export interface ResumeOptions {
  /** A token or an API key, or a function that returns one; it is called again when the token expires. */
  token: string | (() => string | Promise<string>);
  /** The address of the relay. Defaults to the relay that served relay.js. */
  base?: string;
  /** The preferred wire. */
  wire?: WireName;
  /** Stops following the task, and rejects the run with the reason. The task itself continues. */
  signal?: AbortSignal;
}

/** The token is a start token or an API key. */
export interface RunOptions extends ResumeOptions {
  provider?: string;
  title?: string;
  tags?: readonly string[];
  metadata?: Record<string, unknown>;
  /** More files, by the name of their input. */
  files?: Readonly<Record<string, Blob | Iterable<Blob>>>;
  /** Called with the share of the files that has been sent, from 0 to 1. */
  onUploadProgress?: (share: number) => void;
}

/**
 * A task as a promise of its last state, and as a series of its states. The promise is rejected with a `Problem` if the
 * task could not be started or followed, and with a `TaskError` if it did not succeed.
 */
export interface Run extends Promise<Snapshot>, AsyncIterable<Snapshot, void, undefined> {
  /** What `resume` needs: the ID of the task and a token for it. */
  readonly started: Promise<{ task: string; token: string }>;
  /** The newest state; null before the first one. */
  readonly state: Snapshot | null;
  /** Ask the platform to stop the task. */
  cancel(): Promise<void>;
}

/** Start a task and follow it to its end. Files (Blob) in the input are uploaded. */
export function run(model: string, input: Record<string, unknown>, options: RunOptions): Run;

/** Follow a task that was started before, for example before the page was loaded again. */
export function resume(task: string, options: ResumeOptions): Run;

/** A text, or one for each plural category of its language (`Intl.PluralRules`). It may have values such as `{count}`. */
export type Phrase = string | Partial<Record<Intl.LDMLPluralRule, string>>;

/** Texts by their keys, such as `state.running`; docs/embedding.md says where they are listed. */
export type Words = Partial<Record<string, Phrase>>;

/**
 * `<relay-task task token base wire theme accent lang compact notify>`. Fires `relay-update`, `relay-done` and `relay-error`.
 */
export class RelayTaskElement extends HTMLElement {
  #private;
  task: string;
  token: string;
  base: string;
  wire: WireName;
  /** `light`, `dark`, or `auto` for the reader's setting; empty follows the `color-scheme` of the page. */
  theme: string;
  /** `#rgb` or `#rrggbb`. A color that is too light or too dark to read is adjusted. */
  accent: string;
  /** Show one line instead of the card. */
  compact: boolean;
  /** Offer a button by which the reader asks for a sound and a notification at the end. */
  notify: boolean;
  getToken: GetToken | undefined;
  /** Texts that replace those of the element, by their keys. They count for all elements of the page. */
  words: Words;
  /** How long such tasks usually take in all, from their start. */
  usual: { p50_s: number; p90_s: number } | null;
  get state(): Snapshot | null;
}

declare global {
  interface HTMLElementTagNameMap {
    "relay-task": RelayTaskElement;
  }
  interface HTMLElementEventMap {
    "relay-update": CustomEvent<RelayUpdate>;
    "relay-done": CustomEvent<RelayUpdate>;
    "relay-error": CustomEvent<RelayUpdate>;
  }
}
