import { describe, expect, it } from "vitest";
import { readRunningSystem } from "../../../../../core/host/facts/running-system.ts";

const system = "/nix/store/aaaa-nixos-system-web-1-26.05";
const commit = "0123456789abcdef".repeat(3).slice(0, 40);

/** A host on which the three commands print this. */
const hostThat = (...prints: string[]) => {
  return async (command: string) => {
    const separator = /^echo (\S+);/.exec(command)?.[1] ?? "";
    return { exitCode: 0, stdout: prints.map((print) => `${separator}\n${print}`).join("\n"), stderr: "" };
  };
};

describe("the running system", () => {
  it("has a commit, the age of its newest generation, and the time of the last change", async () => {
    const links = `1700000000 /nix/store/bbbb-other\n1600000000 ${system}\n1650000000 ${system}`;
    expect(await readRunningSystem(hostThat(commit, links, "1700000100"), system)).toEqual({
      revision: commit,
      since: "2022-04-15T05:20:00.000Z",
      changedAt: "2023-11-14T22:15:00.000Z",
    });
  });

  it.each([
    ["nothing is known", ["", "", ""]],
    ["it was built from a dirty tree", [`${commit}-dirty`, "", ""]],
    ["it runs a generation that was deleted", ["", "1700000000 /nix/store/bbbb-other", ""]],
    ["the host answers nonsense", ["<b>", `99999999999999999 ${system}\n-1 ${system}\nx ${system}`, "never"]],
  ])("has none of them where %s", async (_, prints) => {
    expect(await readRunningSystem(hostThat(...prints), system)).toEqual({});
  });

  it("is unknown where no login is possible", async () => {
    const refuses = async () => ({ exitCode: 255, stdout: "", stderr: "" });
    expect(await readRunningSystem(refuses, system)).toEqual({});
  });
});
