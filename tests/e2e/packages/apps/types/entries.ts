/** Uses each entry of the package as a strict application does. Checked by tsc; never run. */
import { Problem, RelayClient, reduce, resume, run, type Snapshot, TaskError } from "generation-relay";
import { RelayTaskElement } from "generation-relay/element";
import { useBoard, useTask } from "generation-relay/vue";

export const client = new RelayClient({ base: "https://relay.example.com", task: "t", token: "t" });
export const isTask = (element: Element): boolean => element instanceof RelayTaskElement;
export const percent = (): number | null =>
  useTask({ base: "", task: "t", token: "t" }).value.state?.progress?.percent ?? null;
export const names = (): string[] => useBoard(() => ({ base: "", tag: "t" })).value.tasks.map(({ model }) => model);
export const fold = (state: Snapshot): Snapshot | null => reduce(state, { type: "ping" });

export async function outcome(token: string): Promise<string> {
  try {
    return (await run("owner/model", {}, { token })).state;
  } catch (error) {
    if (error instanceof TaskError) return error.state.state;
    return error instanceof Problem ? error.code : resume("t", { token }).then(({ id }) => id);
  }
}
