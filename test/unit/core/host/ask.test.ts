import { expect, it } from "vitest";
import { askHost } from "../../../../core/host/reach/ask.ts";

/** A host whose shell prints a greeting before each command's output, as a ~/.bashrc does. */
const shell = (greeting: string) => async (command: string) => {
  const lines = command.split("; ").map((each) => each.replace(/^echo /, ""));
  return { exitCode: 0, stdout: `${greeting}${lines.join("\n")}\n`, stderr: "" };
};

it.each(["", "Welcome to web-1!\n"])(
  "reads answers, and not what the host's shell prints first: %j",
  async (greeting) => {
    const answers = await askHost(shell(greeting), { system: "echo /nix/store/x", boot: "echo 1234" });
    expect(answers).toEqual({ system: "/nix/store/x", boot: "1234" });
  },
);

it("has no answer without a login", async () => {
  const closed = async () => ({ exitCode: 255, stdout: "", stderr: "" });
  expect(await askHost(closed, { boot: "echo 1234" })).toBeUndefined();
});
