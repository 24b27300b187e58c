import { rmSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { chooseFleet, resumedOptions } from "../../../../cli/fleet/choose.ts";
import type { FleetOptions } from "../../../../cli/fleet/options.ts";
import { hostLayoutOf, type Layout } from "../../../../core/project/layout.ts";
import { FleetRecord } from "../../../../core/tasks/fleet/journal.ts";
import { project, stackFile } from "../../../_project.ts";

/** web-1 and web-2 in eu, web-2 and web-3 in canary, web-4 in none. */
function fourHosts(): Layout {
  const layout = project({ stackFile: null });
  const tags: Record<string, string> = { "web-1": "[eu]", "web-2": "[eu, canary]", "web-3": "[canary]" };
  for (const host of ["web-1", "web-2", "web-3", "web-4"]) {
    const line = tags[host] ? `  clawdlets:tags: ${tags[host]}\n` : "";
    writeFileSync(hostLayoutOf(layout, host).stackFile, `${stackFile}${line}`);
  }
  return layout;
}

const hostsOf = (options: FleetOptions, layout = fourHosts()) => chooseFleet(layout, "up", options)?.hosts;

describe("the hosts of a run over many", () => {
  it.each<[string, FleetOptions, string[] | undefined]>([
    ["--all is every one", { all: true }, ["web-1", "web-2", "web-3", "web-4"]],
    ["--host A,B is those, each once", { host: "web-3, web-1,web-3" }, ["web-3", "web-1"]],
    ["--tag is those that have it", { tag: "eu" }, ["web-1", "web-2"]],
    ["--tag A,B is those that have either", { tag: "canary,eu" }, ["web-1", "web-2", "web-3"]],
    ["--host A is one host, as ever", { host: "web-1" }, undefined],
    ["nothing is the only host, as ever", {}, undefined],
  ])("%s", (_, options, hosts) => {
    expect(hostsOf(options)).toEqual(hosts);
  });

  it("names the wrong setting of a host whose tags cannot be read, with --tag only", () => {
    const layout = fourHosts();
    writeFileSync(hostLayoutOf(layout, "web-4").stackFile, `${stackFile}  clawdlets:tags: eu\n`);
    expect(() => hostsOf({ tag: "eu" }, layout)).toThrowError(
      expect.objectContaining({
        problems: [
          {
            code: "invalid-value",
            subject: "stacks/Pulumi.web-4.yaml",
            setting: "clawdlets:tags",
            problem: 'is "eu"; allowed: a list of tags.',
          },
        ],
      }),
    );
    expect(hostsOf({ all: true }, layout)).toHaveLength(4);
  });

  it.each<[string, FleetOptions, RegExp]>([
    ["two ways of naming", { all: true, host: "web-1" }, /--host and --all cannot be combined/],
    [
      "a host that is invalid",
      { host: "web-1,web-5" },
      /no host "web-5" \(did you mean "web-\d"\?\); there are web-1, web-2/,
    ],
    ["a name that is invalid", { host: "web-1,Web" }, /"Web" is not a host name; allowed/],
    ["an empty name", { host: "web-1," }, /"" is not a host name/],
    ["a tag that nobody has", { tag: "eu,uk" }, /no host has "uk" \(did you mean "eu"\?\); there are canary, eu/],
    ["a canary that is not meant", { tag: "eu", canary: "web-3" }, /--canary: "web-3" is not one of the chosen hosts/],
    ["options for many with one host", { host: "web-1", parallel: 2 }, /--parallel is for many hosts/],
    ["a canary alone", { canary: "web-1" }, /--canary is for many hosts/],
    ["--resume before any run", { resume: true }, /there was no run of "up"/],
  ])("refuses %s", (_, options, message) => {
    expect(() => hostsOf(options)).toThrow(message);
    expect(() => hostsOf(options)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });

  it("are not guessed from a stack file that cannot be read, whose tags nobody knows", () => {
    const layout = fourHosts();
    writeFileSync(hostLayoutOf(layout, "web-4").stackFile, "config: [\n");
    expect(() => hostsOf({ tag: "eu" }, layout)).toThrow(/Pulumi.web-4.yaml/);
    expect(hostsOf({ all: true }, layout)).toHaveLength(4);
  });
});

describe("--resume", () => {
  async function afterARun(): Promise<Layout> {
    const layout = fourHosts();
    const hosts = Object.fromEntries(["web-1", "web-2", "web-3", "web-4"].map((host) => [host, "waiting" as const]));
    const record = new FleetRecord(layout, {
      command: "up",
      startedAt: "2026-01-01",
      asked: { rev: "a".repeat(40) },
      hosts,
    });
    await record.begin();
    await Promise.all([record.ended("web-1", "ok"), record.ended("web-2", "failed"), record.ended("web-3", "stopped")]);
    return layout;
  }

  it("is those that did not end well, also those that a killed run had not come to", async () => {
    const layout = await afterARun();
    expect(hostsOf({ resume: true }, layout)).toEqual(["web-2", "web-3", "web-4"]);
    rmSync(hostLayoutOf(layout, "web-3").stackFile);
    expect(hostsOf({ resume: true }, layout)).toEqual(["web-2", "web-4"]);
  });

  it("keeps to the canary while it has not ended well", async () => {
    const layout = await afterARun();
    expect(chooseFleet(layout, "up", { resume: true, canary: "web-2" })?.canary).toBe("web-2");
    expect(chooseFleet(layout, "up", { resume: true, canary: "web-1" })?.canary).toBeUndefined();
  });

  it("asks what the first run asked, and refuses to mix revisions", async () => {
    const chosen = chooseFleet(await afterARun(), "up", { resume: true });
    if (!chosen) throw new Error("nothing chosen");
    expect(resumedOptions(chosen, {})).toEqual({ rev: "a".repeat(40) });
    expect(() => resumedOptions(chosen, { rev: "b".repeat(40) })).toThrow(
      /continues the last run, which was started with --rev aaaa/,
    );
    expect(() => resumedOptions(chosen, { ref: "main" })).toThrow(/without --ref/);
  });
});
