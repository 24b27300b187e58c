import { expect, it, onTestFinished } from "vitest";
import { endWhenUnhandled, onFirstStopRequest } from "../../../engine/signals.ts";

it("the second stop request ends what hangs after the first", () => {
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const before = new Map(names.map((name) => [name, process.listeners(name)]));
  onTestFinished(() => {
    for (const name of names) {
      for (const each of process.listeners(name)) if (!before.get(name)?.includes(each)) process.off(name, each);
    }
  });
  const calls: string[] = [];
  endWhenUnhandled(() => void calls.push("end"));
  onFirstStopRequest(() => void calls.push("first"));
  process.emit("SIGHUP");
  expect(calls).toEqual(["first"]);
  process.emit("SIGHUP");
  expect(calls).toEqual(["first", "end"]);
});
