import { App } from "../../react/app";

export default function Page() {
  return <App />;
}
