/**
 * The types of relay.js, for pages that are written in TypeScript or checked by it. The wire's field names are the
 * relay's contract: times are unix seconds, durations end in `_s`.
 */

export type Verdict = "succeeded" | "failed" | "canceled" | "lost";
export type State = "submitting" | "held" | "queued" | "preparing" | "running" | "finishing" | Verdict;
export type Source = "live" | "reconciled" | "callback" | "polled" | "relay";
export type ConnectionState = "connecting" | "catching-up" | "live" | "polling" | "offline" | "ended" | "refused";
export type WireName = "ws" | "sse" | "poll";
export type FaultCode = "not_found" | "forbidden" | "unauthorized" | "token_expired" | "protocol";
export type Aim = { task: string } | { tag: string } | { all: true };

/**
 * Brings a fresh token: called when there is none, before one expires, and when the relay takes one for expired.
 * Nothing means that there is none to be had, for good; an exception, or no answer within 10 s, that it is to be asked again.
 */
export type GetToken = (aim: Aim) => string | null | undefined | Promise<string | null | undefined>;

export interface Eta {
  low_s: number;
  high_s: number;
  n: number | null;
  basis: "upstream" | "history";
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
  /** What runs now: `percent` restarts with each phase. Absent in old logs. */
  phase?: { index: number; label: string | null; percent: number | null } | null;
}

export interface Output {
  content_type: string;
  name?: string | null;
  size?: number | null;
  url?: string | null;
  content?: Record<string, unknown> | null;
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

/** The whole state of a task: the fold of its events. */
export interface Snapshot {
  id: string;
  provider: string;
  model: string;
  tags: string[];
  upstream_id: string | null;
  state: State;
  epoch: string;
  seq: number;
  created_at: number;
  updated_at: number;
  ended_at: number | null;
  stages: { type: string; at: number; source: Source }[];
  progress: Progress | null;
  log: { stream: "stdout" | "stderr"; text: string }[];
  log_dropped: number;
  segments: { kind: string; text: string }[];
  outputs: Output[];
  hold: { reason: string; position: number } | null;
  cancel: { by: string } | null;
  stall: { silent_s: number; checked: string; confirmed?: boolean } | null;
  done: Done | null;
}

/** An entry of a task's log. `data` has another shape for each `type`. */
export interface RelayEvent {
  type: string;
  task: string;
  seq: number;
  state: State;
  at: number;
  source: Source;
  // biome-ignore lint/suspicious/noExplicitAny: its shape depends on the type
  data: any;
}

export type Message =
  | { type: "snapshot"; task: Snapshot; at?: number }
  | { type: "resumed"; task: string; seq: number; events: number; at?: number }
  | { type: "ping"; at?: number }
  | { type: "listed"; tag?: string; all?: true }
  | { type: "error"; task?: string; tag?: string; all?: true; code: FaultCode; detail?: string }
  | RelayEvent;

export interface RelayUpdate {
  /** The whole state, null before the first message. */
  state: Snapshot | null;
  connection: ConnectionState;
  /** Why it was refused, or was lost and has not come back yet; else empty. */
  reason: string;
  fault: FaultCode | null;
  /** What was received; null where only the connection has changed. */
  message: Message | null;
  /** The relay's clock minus ours. */
  clockOffset_s: number;
  /** Since when the connection is lost, in unix seconds by our clock. */
  offlineSince: number | null;
  /** When anything was heard last, in unix seconds by our clock. */
  heardAt: number | null;
  /** How many of the missed events are still to come. */
  missing: number;
  /** The way that serves, or is being tried. */
  wire: WireName;
}

type Listener<Detail> = (event: CustomEvent<Detail>) => void;

export interface RelayClientOptions {
  task: string;
  /** A viewer token, or an API key; without one `getToken` is asked. */
  token?: string;
  getToken?: GetToken;
  /** Where the relay is; by default where relay.js came from. */
  base?: string;
  /** The best way to try; where it is blocked the next one is. */
  wire?: WireName;
  /** Where to go on from, for who keeps the state by himself. */
  cursor?: string | null;
  /** A state to go on from. */
  state?: Snapshot | null;
}

/** Follows one task until it is done. Fires `update`. */
export class RelayClient extends EventTarget {
  #private;
  constructor(options: RelayClientOptions);
  get state(): Snapshot | null;
  get cursor(): string | null;
  get connection(): ConnectionState;
  get reason(): string;
  get wire(): WireName;
  get clockOffset_s(): number;
  stop(): void;
  resync(): void;
  cut(): void;
  renew(token: string): void;
  addEventListener(type: "update", listener: Listener<RelayUpdate>, options?: boolean | AddEventListenerOptions): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener(type: "update", listener: Listener<RelayUpdate>, options?: boolean | EventListenerOptions): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

export interface BoardUpdate {
  /** Whose state it is; null where it is about no task. */
  task: string | null;
  /** By which tag it came; null for a task that is followed by itself, or with all others. */
  tag: string | null;
  state: Snapshot | null;
  message: Message | null;
  /** The worst of all subscriptions; `ended` where there is none. */
  connection: ConnectionState;
  reason: string;
  offlineSince: number | null;
  /** The relay's clock minus ours. */
  clockOffset_s: number;
}

/** Follows many tasks, all tasks of a tag, and all tasks of a relay. Fires `update`. */
export class RelayBoard extends EventTarget {
  #private;
  constructor(options?: { base?: string });
  get states(): ReadonlyMap<string, Snapshot>;
  get connection(): ConnectionState;
  get clockOffset_s(): number;
  subscribe(task: string, token: string | { token?: string; getToken?: GetToken }, state?: Snapshot | null): void;
  unsubscribe(task: string): void;
  subscribeTag(tag: string, token: string | { token?: string; getToken?: GetToken }): void;
  unsubscribeTag(tag: string): void;
  /** All tasks, with an API key. */
  followAll(key: string | { token?: string; getToken?: GetToken }): void;
  unfollowAll(): void;
  stop(): void;
  resync(): void;
  addEventListener(type: "update", listener: Listener<BoardUpdate>, options?: boolean | AddEventListenerOptions): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener(type: "update", listener: Listener<BoardUpdate>, options?: boolean | EventListenerOptions): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** The state after `message`: pure, the same fold as the relay's own. */
export function reduce(state: Snapshot | null, message: Message, epoch?: string): Snapshot | null;

/** `<relay-task task token base wire>`: fires `relay-update`, `relay-done` and `relay-error`, each with a `RelayUpdate`. */
export class RelayTaskElement extends HTMLElement {
  #private;
  task: string;
  token: string;
  base: string;
  wire: WireName;
  getToken: GetToken | undefined;
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
