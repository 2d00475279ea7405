"use client";
import { RelayTask, useBoard, useTask } from "generation-relay/react";
import { useEffect, useState } from "react";

interface Address {
  base: string;
  task: string;
  token: string;
  tag: string;
  tagToken: string;
}

/** The address says what to show. It is read in the browser: a server that renders the page does not know it. */
export function App() {
  const [address, setAddress] = useState<Address | null>(null);
  useEffect(() => {
    const values = new URLSearchParams(location.hash.slice(1));
    const value = (name: string) => values.get(name) ?? "";
    const [base, task, token, tag] = [value("base"), value("task"), value("token"), value("tag")];
    setAddress({ base, task, token, tag, tagToken: value("tagToken") });
  }, []);
  return address ? <Task {...address} /> : <p id="rendered">Loading</p>;
}

function Task({ base, task, token, tag, tagToken }: Address) {
  const [ended, setEnded] = useState("");
  const { state, connection } = useTask({ base, task, token });
  const { tasks } = useBoard({ base, tag, getToken: async () => tagToken });
  return (
    <main>
      <p id="state">
        {state?.state} ({connection})
      </p>
      <ul id="board">
        {tasks.map(({ id, title }) => (
          <li key={id}>{title}</li>
        ))}
      </ul>
      <p id="ended">{ended}</p>
      <RelayTask
        base={base}
        task={task}
        getToken={async () => token}
        accent="#7a3ff2"
        onDone={({ detail }) => setEnded(detail.state?.done?.verdict ?? "")}
      />
    </main>
  );
}

/** The element without the component, as JSX knows it. */
export const plain = <relay-task task="t" token="t" theme="dark" compact />;
