import type { DetailedHTMLProps, HTMLAttributes, ReactElement, ReactNode } from "react";
import type { BoardOptions, BoardState, TaskAttributes, TaskOptions } from "./frameworks.js";
import type { GetToken, RelayTaskElement, RelayUpdate } from "./relay.js";

export type { BoardOptions, BoardState, TaskOptions };

/** Follow a task. Its `state` is null before the first message. */
export function useTask(options: TaskOptions): RelayUpdate;

/** Follow the tasks of a tag, or with `all` those of the relay. */
export function useBoard(options: BoardOptions): BoardState;

export interface RelayTaskProps extends TaskAttributes {
  className?: string;
  children?: ReactNode;
  compact?: boolean;
  notify?: boolean;
  getToken?: GetToken;
  usual?: { p50_s: number; p90_s: number } | null;
  onUpdate?: (event: CustomEvent<RelayUpdate>) => void;
  onDone?: (event: CustomEvent<RelayUpdate>) => void;
  onError?: (event: CustomEvent<RelayUpdate>) => void;
}

/** `<relay-task>`, whose script is loaded in the browser only. */
export function RelayTask(props: RelayTaskProps): ReactElement;

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "relay-task": DetailedHTMLProps<HTMLAttributes<RelayTaskElement>, RelayTaskElement> &
        Partial<TaskAttributes> & { class?: string; compact?: boolean | ""; notify?: boolean | "" };
    }
  }
}
