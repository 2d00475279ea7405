/** Types that the client's modules share. Nothing here runs, and no page loads it. */

import type { FaultCode, Message, Topic } from "../../relay.js";

/** One subscription as a wire sends it. `key` identifies the topic. */
export interface SubscribeRequest {
  key: string;
  topic: Topic;
  token: string;
  /** Where to resume; null asks for the whole state. */
  cursor: string | null;
  /** The cursors of the tasks of a board. Only the WebSocket sends them: the other wires may be shared among tabs. */
  known?: Record<string, string>;
}

/** The wire was lost: reconnect. */
export interface Retry {
  kind: "retry";
  reason: string;
  /** Whether the relay itself answered, so that the wire is not blocked by something in between. */
  reached: boolean;
  /** The minimum wait that the relay asks for. */
  retry_s?: number;
  /** Whether the relay closed the connection because its tokens have expired. */
  expired?: boolean;
}

/** The relay refused the subscriptions: do not reconnect. */
export interface Refusal {
  kind: "refused";
  reason: string;
  code: FaultCode;
}

/** Why a wire closed. `ended`: every task on it is done. */
export type CloseReason = Retry | { kind: "ended" } | Refusal;

/** Callbacks of a network connection. */
export interface LinkHandlers {
  onOpen?: () => void;
  onMessage: (text: string) => void;
  onClose: (reason: CloseReason) => void;
}

export interface WireOptions {
  base: URL;
  /** Returns the current subscriptions. */
  requests: () => SubscribeRequest[];
  /** Resolves when the wire may send its first request. */
  ready: () => Promise<unknown>;
  /** Takes each message; an `error` comes with the token that it is about. */
  onMessage: (message: Message, token?: string) => void;
  /** Called once, at the end. */
  onClose: (reason: CloseReason) => void;
}

/** One open connection to a relay: a WebSocket, an event stream, or polling. */
export interface Wire {
  /** Start a subscription, or restart it from its cursor. */
  subscribe(key: string): void;
  unsubscribe(key: string): void;
  /** Send the subscription's new token. */
  renew(key: string): void;
  /** Ask for a sign of life. Returns false if this wire cannot. */
  probe(): boolean;
  /** Close the wire. No callback follows. */
  close(): void;
}

export type OpenWire = (options: WireOptions) => Wire;
