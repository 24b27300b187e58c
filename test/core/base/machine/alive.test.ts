import { execa } from "execa";
import { expect, it } from "vitest";
import { isAlive, secondsOf } from "../../../../core/base/machine/alive.ts";

it("a process is alive from its start to its end, even if its number was used before", async () => {
  const child = execa("sleep", ["60"], { reject: false });
  const pid = child.pid ?? 0;
  const now = new Date().toISOString();
  expect(await isAlive(pid, now)).toBe(true);
  expect(await isAlive(pid, "2020-01-01T00:00:00.000Z")).toBe(false);
  child.kill("SIGKILL");
  await child;
  expect(await isAlive(pid, now)).toBe(false);
});

it.each([
  ["00:07", 7],
  ["02:03", 123],
  ["01:00:00", 3600],
  ["3-04:05:06", 273_906],
])("reads %s as %i seconds", (elapsed, seconds) => expect(secondsOf(elapsed)).toBe(seconds));
