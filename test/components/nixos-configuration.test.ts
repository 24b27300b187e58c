import { chmodSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, expect, it } from "vitest";
import { changesOf } from "../../components/internal/configuration-change.ts";
import { repository, stackFor } from "../toolchain/_stack.ts";

const [one, two] = ["1".repeat(40), "2".repeat(40)];
const digest = "a".repeat(64);

const program = `
import { readFileSync } from "node:fs";
import { NixosConfiguration } from "${repository}/components/index.ts";
new NixosConfiguration("h", { host: "web-1", address: "203.0.113.7", installId: "i", ...JSON.parse(readFileSync("args.json", "utf8")) });
`;

/** Writes down each run, and says what a host would. */
const clawdlets = `#!/bin/sh
echo "$* $CLAWDLETS_FLAKE_REV $CLAWDLETS_CIPHERTEXT" >>runs
printf '{"systemPath":"/nix/store/x","rev":"%s"}' "$CLAWDLETS_FLAKE_REV"
`;

async function configured() {
  const stack = await stackFor(program);
  stack.write("bin/clawdlets", clawdlets);
  chmodSync(join(stack.folder, "bin/clawdlets"), 0o755);
  stack.env["PATH"] = [join(stack.folder, "bin"), stack.env["PATH"]].join(delimiter);
  const declare = (args: object) => stack.write("args.json", JSON.stringify(args));
  const up = async (args: object) => {
    declare(args);
    const { exitCode, all } = await stack.up();
    expect(exitCode, all).toBe(0);
    return all ?? "";
  };
  const preview = async (args: object) => {
    declare(args);
    const { all = "" } = await stack.run("preview", "--stack", "s");
    return all;
  };
  const runs = () => stack.read("runs").trim().split("\n");
  return { stack, up, preview, runs };
}

describe("a NixosConfiguration on the real engine", () => {
  it("runs for another commit or other secrets, in place, and not where they cannot be known", async () => {
    const { stack, up, preview, runs } = await configured();
    await up({ revision: one, ciphertext: digest });
    expect(runs()).toEqual([`rebuild --for-stack --host web-1 ${one} ${digest}`]);
    expect(stack.outputs("h")).toMatchObject({ revision: one, systemPath: "/nix/store/x" });

    // As in CI: nothing of it is known, so it is as the state says.
    expect(await preview({})).toMatch(/\b3 unchanged/);
    expect(await preview({ revision: one })).toMatch(/\b3 unchanged/);

    const changed = await preview({ revision: two });
    expect(changed).toContain(`web-1: changed in place: commit ${one} to ${two}`);
    expect(changed).not.toContain("other secrets");
    expect(changed).toMatch(/\b1 to update/);
    expect(changed).not.toContain("replace");

    await up({ revision: two, ciphertext: "none" });
    expect(runs()[1]).toBe(`rebuild --for-stack --host web-1 ${two} none`);
    expect(stack.outputs("h")).toMatchObject({ revision: two });
  }, 180_000);

  it.each([
    ["revision", { revision: "main" }, 'revision is "main"; allowed: a full commit, 40 hex digits'],
    ["ciphertext", { ciphertext: "abc" }, 'ciphertext is "abc"; allowed: a SHA-256 of 64 hex digits, or "none"'],
    ["address", { address: "web-1" }, 'address is "web-1"; allowed: an IPv4 or IPv6 address'],
  ])(
    "refuses a wrong %s at preview",
    async (_, args, message) => {
      const { preview } = await configured();
      expect((await preview(args)).replaceAll(/\s+/g, " ")).toContain(message);
    },
    60_000,
  );
});

describe("a change is told as", () => {
  const inputs = (revision?: string, ciphertext?: string) => ({
    environment: {
      ...(revision !== undefined && { CLAWDLETS_FLAKE_REV: revision }),
      ...(ciphertext !== undefined && { CLAWDLETS_CIPHERTEXT: ciphertext }),
    },
  });
  it.each([
    ["another commit", inputs(one, digest), inputs(two, digest), [`commit ${one} to ${two}`]],
    ["other secrets", inputs(one, digest), inputs(one, "none"), ["new secrets (their ciphertext changed)"]],
    ["both", inputs(one), inputs(two, digest), [`commit ${one} to ${two}`, "new secrets (their ciphertext changed)"]],
    ["a commit where none was named", inputs(), inputs(two), [`to commit ${two}`]],
    ["nothing", inputs(one, digest), inputs(one, digest), []],
    ["nothing where neither is known", undefined, undefined, []],
  ])("%s", (_, before, after, told) => {
    expect(changesOf(before, after)).toEqual(told);
  });
});
