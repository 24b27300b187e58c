import { describe, expect, it } from "vitest";
import { ageWarning, readRunningSystem } from "../../../../../core/host/facts/running-system.ts";

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

describe("ageWarning", () => {
  const now = new Date("2026-11-27T12:00:00Z");
  const ageOf = (since: string | undefined, maxAgeDays = 30) => ageWarning({ host: "web-1", since, maxAgeDays, now });

  it.each([
    ["of this moment", "2026-11-27T12:00:00Z"],
    ["of exactly 30 days", "2026-10-28T12:00:00Z"],
    ["of one second less than 31 days", "2026-10-27T12:00:01Z"],
    ["from the future, as where a clock is wrong", "2027-01-01T00:00:00Z"],
  ])("says nothing about a system %s", (_, since) => {
    expect(ageOf(since)).toBeUndefined();
  });

  it("warns from the next day on, with what to do", () => {
    expect(ageOf("2026-10-27T12:00:00Z")).toBe(
      "its system is 31 days old, from 2026-10-27; allowed: up to 30 days (clawdlets:rebuild.maxAgeDays). Update flake.lock, then: clawdlets rebuild --host web-1",
    );
    expect(ageOf("2026-10-27T12:00:00Z", 31)).toBeUndefined();
  });

  it("says that a host does not tell", () => {
    expect(ageOf(undefined)).toBe("the host does not say how old its system is");
  });
});
