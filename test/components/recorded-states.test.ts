import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { repository } from "../_repository.ts";

/**
 * Component names and type tokens are promises: this version does not replace what an earlier one created. Each file is
 * `pulumi stack export --show-secrets` of the demo's host by the version it is named after, with its one-time keys taken out.
 */
const states = join(repository, "test", "fixtures", "states");
const folder = mkdtempSync(join(tmpdir(), "clawdlets-states-"));
const engine = findEngine(repository);
let demo: Demo;

beforeAll(async () => {
  demo = await prepareDemo(() => undefined, { root: join(folder, "project"), data: join(folder, "emulator") });
}, 60_000);

afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const pulumi = (args: string[], input = "") =>
  execa(engine?.pulumi ?? "pulumi", [...args, "--stack", demo.host, "--non-interactive"], {
    cwd: demo.layout.root,
    // The state is all there is: no server of its is at this emulator.
    env: { ...engineEnvironment(demo.layout, engine ?? ({} as never)), PULUMI_OPTION_REFRESH: "false" },
    input,
    reject: false,
  });

interface Step {
  op: string;
  urn: string;
  detailedDiff?: Record<string, unknown> | null;
}

/** What the engine would do to each resource by its type and name, with the properties that differ. */
async function previewOf(state: string): Promise<Record<string, string>> {
  // The recorded secrets are in the clear; encrypt them with this stack's passphrase.
  const { deployment, ...rest } = JSON.parse(state);
  const own = JSON.parse((await pulumi(["stack", "export"])).stdout).deployment;
  const adopted = { ...rest, deployment: { ...deployment, secrets_providers: own.secrets_providers } };
  const imported = await pulumi(["stack", "import"], JSON.stringify(adopted));
  expect(imported.exitCode, imported.stderr).toBe(0);
  const { stdout, stderr } = await pulumi(["preview", "--json", "--show-sames"]);
  const { steps = [] } = JSON.parse(stdout || "{}") as { steps?: Step[] };
  expect(steps.length, stderr).toBeGreaterThan(10);
  const change = ({ op, detailedDiff }: Step) => [op, ...Object.keys(detailedDiff ?? {}).sort()].join(" ");
  return Object.fromEntries(steps.map((step) => [step.urn.split("::").slice(2).join("::"), change(step)]));
}

/** A Command's text may change: what it runs on update does nothing, and `create` runs again for a new installation alone. */
const differences: Readonly<Record<string, string[]>> = {
  "0.1.0.json": ["same", "update create"],
};

describe("the state of", () => {
  it.each(readdirSync(states))(
    "%s has nothing to change but the text of its commands",
    async (file) => {
      const seen = await previewOf(readFileSync(join(states, file), "utf8"));
      expect([...new Set(Object.values(seen))].sort(), JSON.stringify(seen)).toEqual(differences[file] ?? ["same"]);
      const updated = Object.keys(seen).filter((urn) => seen[urn] !== "same");
      expect(updated.filter((urn) => !urn.includes("command:local:Command"))).toEqual([]);
    },
    60_000,
  );

  it("another name or token would be seen", async () => {
    const text = readFileSync(join(states, "0.1.0.json"), "utf8");
    const seen = await previewOf(text.replaceAll("clawdlets:index:HetznerServer", "clawdlets:index:Machine"));
    expect(Object.values(seen)).toContain("create");
  }, 60_000);
});
