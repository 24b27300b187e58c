import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { run } from "../../../../core/base/machine/run.ts";
import { checkLocalFolder } from "../../../../core/project/hygiene.ts";
import type { Layout } from "../../../../core/project/layout.ts";
import { ensureIdentityFile, readIdentityFile } from "../../../../core/project/secrets/keys/age.ts";
import { type PlanSettings, plannedSecrets, valueProblem } from "../../../../core/project/secrets/plan.ts";
import { readSecret } from "../../../../core/project/secrets/store.ts";
import { editSecret } from "../../../../core/tasks/secrets/edit.ts";
import { migrateSecrets } from "../../../../core/tasks/secrets/migrate.ts";
import { temporaryFolder } from "../../../_project.ts";
import fc from "../../../_properties.ts";
import { filesIn, initHost, makeProject, openHost, passwordHash, problemsOf, rotateHost, sops } from "./_lab.ts";

/** What every secret of every host should be worth, kept beside the real thing. */
class Model {
  readonly layout: Layout;
  readonly values = new Map<string, Record<string, string>>();

  constructor(layout: Layout) {
    this.layout = layout;
  }

  async init(host: string, salt: string): Promise<void> {
    const known = this.values.get(host) ?? {};
    const missing = openHost(this.layout, host).required.filter(({ name }) => known[name] === undefined);
    const given = Object.fromEntries(missing.map(({ name, kind }) => [name, madeUp(kind, salt)]));
    await initHost(this.layout, host, given);
    this.values.set(host, { ...known, ...given });
  }

  async edit(host: string, pick: number, salt: string): Promise<void> {
    const known = this.values.get(host);
    if (!known) return; // Nothing to edit yet; `edit` refuses, which has a test of its own.
    const { store, required } = openHost(this.layout, host);
    const secret = required[pick % required.length];
    if (!secret) return;
    const value = madeUp(secret.kind, salt);
    await editSecret({ store, required, name: secret.name, change: () => value });
    known[secret.name] = value;
  }

  async rotate(host: string): Promise<void> {
    if (this.values.has(host)) await rotateHost(this.layout, host);
  }

  async migrate(): Promise<void> {
    const { operatorFile } = openHost(this.layout, [...this.hosts][0] ?? "").store;
    await migrateSecrets({ layout: this.layout, operatorFile, overwrite: false, dryRun: false, sops });
  }

  readonly hosts = new Set<string>();

  async check(): Promise<void> {
    expect(await checkLocalFolder(this.layout)).toEqual([]);
    for (const [host, values] of this.values) {
      expect(await problemsOf(this.layout, host)).toEqual([]);
      const { store } = openHost(this.layout, host);
      for (const [name, value] of Object.entries(values)) expect(await readSecret(store, name)).toBe(value);
    }
    const texts = [...filesIn(this.layout.root).values()].join("\n");
    for (const values of this.values.values())
      for (const value of Object.values(values)) expect(texts).not.toContain(value);
  }
}

function madeUp(kind: string, salt: string): string {
  const hex = Buffer.from(salt).toString("hex").padEnd(16, "0");
  if (kind === "password-hash") return `$6$${hex.slice(0, 16)}$${"h".repeat(86)}`;
  if (kind === "tailscale-auth-key") return `tskey-auth-${hex}canary`;
  return kind === "token" ? `token-${hex}-canary` : `text ${salt}\n${hex} canary`;
}

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,7}[a-z0-9]$/);
const hosts = fc.uniqueArray(
  fc.record({
    name,
    bots: fc.uniqueArray(name, { maxLength: 2 }),
    secrets: fc.uniqueArray(fc.stringMatching(/^s[a-z0-9_-]{1,8}$/), { maxLength: 2 }),
  }),
  { minLength: 1, maxLength: 2, selector: (host) => host.name },
);
const step = fc.record({
  what: fc.constantFrom("init", "edit", "rotate", "migrate"),
  host: fc.nat(1),
  pick: fc.nat(9),
  salt: fc.string({ minLength: 4, maxLength: 8 }),
});

describe("any sequence of init, edit, rotate and migrate", () => {
  it("ends with everything verified, readable and worth what it should be", async () => {
    let steps = 0;
    await fc.assert(
      fc.asyncProperty(hosts, fc.array(step, { minLength: 2, maxLength: 7 }), async (given, sequence) => {
        const root = temporaryFolder();
        const model = new Model(makeProject(root, given));
        for (const host of given) model.hosts.add(host.name);
        const start = given[0]?.name ?? "";
        await oldFileOf(model, start);
        for (const { what, host, pick, salt } of sequence) {
          const target = given[host % given.length]?.name ?? start;
          if (what === "init") await model.init(target, salt);
          else if (what === "edit") await model.edit(target, pick, salt);
          else if (what === "rotate") await model.rotate(target);
          else await model.migrate();
          steps++;
        }
        await model.migrate();
        await model.init(start, "last");
        await model.check();
        rmSync(root, { recursive: true, force: true });
      }),
      { numRuns: 12 },
    );
    process.stdout.write(`${steps} generated steps over secrets\n`);
  }, 240_000);
});

/** Upstream's single file of the first host, with all that the host needs, before anything else is there. */
async function oldFileOf(model: Model, host: string): Promise<void> {
  const { store, required } = openHost(model.layout, host);
  const host_ = await ensureIdentityFile(store.files.identity);
  const operator = await ensureIdentityFile(store.operatorFile);
  const values = Object.fromEntries(required.map(({ name, kind }) => [name, madeUp(kind, `old-${name}`)]));
  const { stdout } = await run(
    sops,
    [
      "encrypt",
      "--age",
      `${host_.recipient},${operator.recipient}`,
      "--input-type",
      "yaml",
      "--output-type",
      "yaml",
      "--filename-override",
      "x.yaml",
    ],
    { input: stringify(values), cwd: "/" },
  );
  mkdirSync(dirname(store.folder), { recursive: true, mode: 0o700 });
  writeFileSync(`${store.folder}.yaml`, stdout, { mode: 0o600 });
  // Moved by the first `migrate`; until then `init` would make other ones, so the model begins with it.
  await model.migrate();
  model.values.set(host, values);
}

describe("the plan of required secrets", () => {
  it.each<[string, PlanSettings, string[]]>([
    ["nothing but the password", { tailnet: "none", bots: [], secrets: [] }, ["admin_password_hash"]],
    [
      "tailnet, bots and named ones, each once",
      { tailnet: "tailscale", bots: ["maren", "olaf"], secrets: ["z_ai_api_key", "tailscale_auth_key"] },
      ["admin_password_hash", "tailscale_auth_key", "discord_token_maren", "discord_token_olaf", "z_ai_api_key"],
    ],
  ])("is %s", (_, settings, expected) =>
    expect(plannedSecrets(settings, new Map()).map(({ name }) => name)).toEqual(expected),
  );

  it.each<[Parameters<typeof valueProblem>[0]["kind"], string, boolean]>([
    ["password-hash", passwordHash, true],
    ["password-hash", `$y$j9T$${"s".repeat(22)}$${"h".repeat(43)}`, true],
    ["password-hash", `$6$rounds=500000$${"s".repeat(16)}$${"h".repeat(86)}`, true],
    ["password-hash", `$6$${"s".repeat(16)}$${"h".repeat(85)}`, false],
    ["password-hash", `$5$${"s".repeat(16)}$${"h".repeat(43)}`, false],
    ["password-hash", "hunter2hunter2", false],
    ["tailscale-auth-key", "tskey-auth-k1-abc", true],
    ["tailscale-auth-key", "tskey-client-k1-abc", true],
    ["tailscale-auth-key", "tskey-api-k1-abc", false],
    ["token", "MTk.abc.def", true],
    ["token", "two words", false],
    ["token", "trailing\n", false],
    ["text", "any\ntext", true],
    ["text", "", false],
    ["text", "<FILL_ME>", false],
    ["text", "<OPTIONAL>\n", false],
    ["text", "x".repeat(65536), true],
    ["text", "x".repeat(65537), false],
    ["text", "\ud800", false],
  ])("takes as %s the value %j: %s", (kind, value, isFine) => {
    const problem = valueProblem({ kind }, value);
    expect(problem === undefined).toBe(isFine);
    if (value.length > 20) expect(problem ?? "").not.toContain(value);
  });
});

describe("an identity", () => {
  it("of one host is another's business: rotating one changes no byte of the other", async () => {
    const layout = makeProject(temporaryFolder(), [{ name: "web-1" }, { name: "web-2" }]);
    const model = new Model(layout);
    await model.init("web-1", "salt");
    await model.init("web-2", "salt");
    const other = () => [...filesIn(layout.root)].filter(([path]) => path.includes("web-2"));
    const before = other();
    expect(before.length).toBeGreaterThan(5);
    const old = await readIdentityFile(openHost(layout, "web-1").store.files.identity);
    await rotateHost(layout, "web-1");
    expect(other()).toEqual(before);
    expect(await readIdentityFile(openHost(layout, "web-1").store.files.identity)).not.toEqual(old);
    await model.check();
  }, 60_000);
});
