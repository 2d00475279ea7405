/** Types of elements.js: all of relay.js, and the elements that start and list tasks. */
import type { GetToken, Snapshot } from "./relay.js";

export * from "./relay.js";

/** The response to a start. */
export interface Started {
  task: Snapshot;
  token: string;
  links: { self: string; events: string; ws: string; view: string; embed: string };
}

interface HostAttributes {
  token: string;
  base: string;
  /** `light`, `dark`, or `auto` for the reader's setting; empty follows the `color-scheme` of the page. */
  theme: string;
  /** `#rgb` or `#rrggbb`. */
  accent: string;
  getToken: GetToken | undefined;
}

/** `<relay-form model provider token base theme accent>`. Fires `relay-started`. */
export class RelayFormElement extends HTMLElement implements HostAttributes {
  token: string;
  base: string;
  theme: string;
  accent: string;
  getToken: GetToken | undefined;
  /** `owner/name` */
  model: string;
  provider: string;
}

/** `<relay-board tag token base theme accent>`. Fires `relay-open`. */
export class RelayBoardElement extends HTMLElement implements HostAttributes {
  token: string;
  base: string;
  theme: string;
  accent: string;
  getToken: GetToken | undefined;
  tag: string;
}

declare global {
  interface HTMLElementTagNameMap {
    "relay-form": RelayFormElement;
    "relay-board": RelayBoardElement;
  }
  interface HTMLElementEventMap {
    "relay-started": CustomEvent<Started>;
    "relay-open": CustomEvent<Snapshot>;
  }
}
