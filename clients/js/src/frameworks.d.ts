/** What the hooks of React and the composables of Vue have in common. */
import type { BoardUpdate, Credentials, RelayUpdate, Snapshot, WireName } from "./relay.js";

export interface TaskOptions extends Credentials {
  /** Nothing is followed without one. */
  task: string | null | undefined;
  /** The address of the relay. */
  base: string;
  wire?: WireName;
}

export interface BoardOptions extends Credentials {
  /** The address of the relay. */
  base: string;
  /** Nothing is followed without a tag, unless `all` is set. */
  tag?: string | null;
  /** Follow every task of the relay. Requires an API key. */
  all?: boolean;
}

export interface BoardState extends Pick<BoardUpdate, "connection" | "reason" | "offlineSince" | "clockOffset_s"> {
  /** The newest first. */
  tasks: readonly Snapshot[];
}

/** The attributes of `<relay-task>`. */
export interface TaskAttributes {
  task: string;
  token?: string;
  base?: string;
  wire?: WireName;
  theme?: "light" | "dark" | "auto";
  accent?: string;
  /** `de` or `tr`; any other language is shown in English. */
  lang?: string;
}

export type { RelayUpdate };
