import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { checkTool } from "../_check-tools.ts";
import { leaveOut } from "../_needs.ts";
import { repository } from "../_repository.ts";
import { startBucket } from "./_bucket.ts";
import {
  type Example,
  examples,
  examplesFolder,
  installExample,
  must,
  prepareExample,
  withEngine,
} from "./_example.ts";

/** What each of them is to end with; one that stands here and is not in the folder, or the other way round, fails. */
const hostsOf: Record<string, string[]> = {
  "github-actions": ["web-1"],
  "one-host": ["web-1"],
  "own-server": ["web-1"],
  "plain-javascript": ["web-1"],
  "python-program": ["web-1"],
  "s3-state": ["web-1"],
  "two-hosts": ["web-1", "web-2"],
  "yaml-hosts": ["web-1", "web-2"],
  "yaml-program": ["web-1"],
};
/** Run by their own tests: the engine's state is elsewhere, there is nothing to make, or another language runs it (languages.test.ts). */
const special = ["github-actions", "python-program", "s3-state", "yaml-program"];

let running: { example: Example; parent: string } | undefined;
afterEach(async () => {
  await running?.example.close();
  if (running) rmSync(running.parent, { recursive: true, force: true });
  running = undefined;
});

async function start(name: string): Promise<Example> {
  const parent = mkdtempSync(join(tmpdir(), "clawdlets-example-"));
  const example = await prepareExample(name, parent, hostsOf[name] ?? []);
  running = { example, parent };
  return example;
}

let versitygw: string | undefined;
beforeAll(async () => {
  versitygw = await checkTool("versitygw"); // Built once, in minutes.
}, 1_200_000);

describe("examples", () => {
  it("are all known here", () => expect(examples.toSorted()).toEqual(Object.keys(hostsOf)));

  it("one-host has at most 20 lines of the team's own", () => {
    const files = ["Pulumi.yaml", "index.ts"].map((file) =>
      readFileSync(join(examplesFolder, "one-host", file), "utf8"),
    );
    expect(
      files
        .join("")
        .trim()
        .split("\n")
        .filter((line) => line.trim() !== "").length,
    ).toBeLessThanOrEqual(20);
  });

  it.each(examples.filter((name) => !special.includes(name)))(
    "%s: makes its hosts, and then has nothing to do",
    async (name) => {
      const example = await start(name);
      const { shell, emulator } = example;
      await must(shell(withEngine("pulumi stack init prod")));
      await first[name]?.(example);
      const policy = name === "two-hosts" ? " --policy-pack policy" : "";
      // As docs/compose.md has it, without a --stack: the one that was made is the one that is meant.
      await must(shell(withEngine(`pulumi up --yes --skip-preview${policy}`)));
      const made = emulator.report().servers.map(({ name: host, os, installRuns }) => ({ host, os, installRuns }));
      // Two are made at once, in either order.
      const inOrder = made.toSorted((left, right) => left.host.localeCompare(right.host));
      expect(inOrder).toEqual((hostsOf[name] ?? []).map((host) => ({ host, os: "nixos", installRuns: 1 })));
      await must(shell(withEngine("pulumi preview --stack prod --expect-no-changes")));
      await then[name]?.(example);
    },
    600_000,
  );

  describe("in TypeScript", () => {
    const typed = examples.filter((name) => !["plain-javascript", "python-program", "yaml-program"].includes(name));
    const parent = mkdtempSync(join(tmpdir(), "clawdlets-example-types-"));
    afterAll(() => rmSync(parent, { recursive: true, force: true }));
    let said: string;
    // One run over all, each with what it declares to need: what they share is read once.
    beforeAll(async () => {
      for (const name of typed) await installExample(name, join(parent, name));
      const { compilerOptions } = JSON.parse(readFileSync(join(examplesFolder, "tsconfig.json"), "utf8"));
      const typeRoots = [join(repository, "node_modules/@types")];
      const files = typed.map((name) => `${name}/index.ts`);
      writeFileSync(
        join(parent, "tsconfig.json"),
        JSON.stringify({ compilerOptions: { ...compilerOptions, typeRoots }, files }),
      );
      const options = { cwd: parent, reject: false, all: true };
      const { all, exitCode } = await execa(join(repository, "node_modules/.bin/tsc"), ["--pretty", "false"], options);
      said = String(all);
      expect([0, 2], said).toContain(exitCode);
    }, 120_000);

    it("has no error but in an example", () => {
      const places = said.split("\n").filter((line) => /^\S/.test(line) && line !== "");
      expect(places.filter((line) => !typed.some((name) => line.startsWith(`${name}/index.ts(`)))).toEqual([]);
    });

    it.each(typed)("%s: type-checks", (name) => {
      expect(said.split("\n").filter((line) => line.startsWith(`${name}/`))).toEqual([]);
    });
  });

  it("s3-state: keeps its state in the bucket, with nothing secret in the clear, and nothing of it here", async (context) => {
    if (versitygw === undefined) {
      return leaveOut(context, "state in a bucket", "there is no versitygw: a module of Go that could not be built");
    }
    const { shell, folder, emulator } = await start("s3-state");
    const bucket = await startBucket(versitygw, join(folder, ".."), "acme-pulumi");
    try {
      const file = join(folder, "Pulumi.yaml");
      writeFileSync(file, readFileSync(file, "utf8").replace("https://nbg1.your-objectstorage.com", bucket.endpoint));
      const options = { env: bucket.env };
      await must(shell("npx --no-install clawdlets up --host web-1", options));
      expect(emulator.report().servers).toMatchObject([{ name: "web-1", os: "nixos", installRuns: 1 }]);
      await must(shell(withEngine("pulumi preview --stack web-1 --expect-no-changes"), options));
      const state = readFileSync(join(bucket.folder, ".pulumi/stacks/acme-bots/web-1.json"), "utf8");
      expect(state).toContain("clawdlets:index:Host");
      for (const secret of ["PRIVATE KEY", emulator.token, "AGE-SECRET-KEY"]) expect(state).not.toContain(secret);
      expect(readdirSync(join(folder, ".clawdlets", "state"))).toEqual([]);
    } finally {
      await bucket.close();
    }
  }, 600_000);

  it("github-actions: the steps of its workflow pass, without anything that git ignores, and fail for a stack file that is wrong", async () => {
    const { shell, folder } = await start("github-actions");
    const workflow = parse(readFileSync(join(folder, ".github/workflows/preview.yml"), "utf8"));
    const steps: { run?: string; name?: string }[] = workflow.jobs.preview.steps;
    const [install, preview] = steps.flatMap(({ run }) => run ?? []);
    expect(install).toBe("npm ci --ignore-scripts");
    // As a checkout: without anything that git ignores.
    const env = { GITHUB_STEP_SUMMARY: join(folder, "..", "summary.md"), BASE: "HEAD" };
    rmSync(join(folder, ".clawdlets"), { recursive: true });
    const right = await shell(preview ?? "false", { env });
    const summary = readFileSync(env.GITHUB_STEP_SUMMARY, "utf8");
    expect(right.exitCode, `${right.all}\n${summary}`).toBe(0);
    expect(summary).toContain("web-1");
    const file = join(folder, "stacks", "Pulumi.web-1.yaml");
    writeFileSync(
      file,
      readFileSync(file, "utf8").replace("config:\n", "config:\n  clawdlets:sshExposure: everybody\n"),
    );
    const wrong = await shell(preview ?? "false", { env });
    expect(wrong.exitCode, wrong.all).toBe(3);
  }, 600_000);
});

/** What else is to be so of an example, before its hosts are made and after. */
const first: Record<string, (example: Example) => Promise<void>> = {
  async "two-hosts"({ shell, folder }) {
    const file = join(folder, "stacks", "Pulumi.web-1.yaml");
    const before = readFileSync(file, "utf8");
    writeFileSync(file, before.replace("config:\n", "config:\n  clawdlets:location: hel1\n"));
    const refused = await shell(withEngine("pulumi preview --stack prod --policy-pack policy"));
    expect([refused.exitCode === 0, refused.all]).toEqual([
      false,
      expect.stringMatching(/acme-location[\s\S]*location is hel1; allowed: nbg1, fsn1/),
    ]);
    writeFileSync(file, before);
  },
};
const then: Record<string, (example: Example) => Promise<void>> = {
  async "one-host"({ emulator, folder, shell }) {
    // The stack is called prod, which is not a host's name.
    await must(shell("npx --no-install clawdlets verify"));
    const { hosts } = JSON.parse(await must(shell("npx --no-install clawdlets status --json")));
    expect(hosts).toMatchObject([{ host: "web-1", ok: true, problems: [] }]);
    const looked = await shell("npx --no-install clawdlets doctor --host web-1");
    expect(looked.all).toMatch(/git history|secret/);
    expect(looked.all).not.toContain("a bug, please report it");
    // Down again, as docs/compose.md says.
    const file = join(folder, "stacks", "Pulumi.web-1.yaml");
    writeFileSync(file, readFileSync(file, "utf8").replace("config:\n", "config:\n  clawdlets:protect: false\n"));
    await must(shell(withEngine("pulumi up --yes --skip-preview")));
    await must(shell(withEngine("pulumi destroy --yes --skip-preview")));
    expect(emulator.report().servers).toEqual([]);
  },
  async "plain-javascript"({ emulator, shell }) {
    const { stdout } = await shell(withEngine("pulumi stack output ipv4 --stack prod"));
    expect(stdout.trim()).toBe(emulator.report().servers[0]?.ipv4);
    const before = stdout.trim();
    await must(shell(withEngine("npx --no-install clawdlets verify --host web-1 --json")));
    const { primary_ips: addresses } = await ask(emulator, "primary_ips");
    expect(addresses).toContainEqual(expect.objectContaining({ ip: before, auto_delete: false, name: "web-1-ipv4" }));
    const { servers } = await ask(emulator, "servers");
    expect(servers).toMatchObject([{ backup_window: expect.any(String), volumes: [expect.any(Number)] }]);
  },
  async "two-hosts"({ emulator }) {
    const { servers } = await ask(emulator, "servers");
    expect(servers.map((server: Server) => server.private_net[0]?.ip).toSorted()).toEqual(["10.10.1.11", "10.10.1.12"]);
    expect(new Set(servers.map((server: Server) => server.placement_group?.name))).toEqual(new Set(["bots"]));
  },
};

interface Server {
  private_net: { ip: string }[];
  placement_group?: { name: string };
}
// biome-ignore lint/suspicious/noExplicitAny: the API's answers, in shapes the test knows
async function ask({ endpoint, token }: Example["emulator"], path: string): Promise<any> {
  const response = await fetch(`${endpoint}/${path}`, { headers: { authorization: `Bearer ${token}` } });
  return response.json();
}
