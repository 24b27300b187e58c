import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { verify } from "unixcrypt";
import { describe, expect, it } from "vitest";
import { SettingsError } from "../../../core/base/errors.ts";
import type { Layout } from "../../../core/project/layout.ts";
import { createAgeKeyPair, readIdentityFile } from "../../../core/project/secrets/keys/age.ts";
import { valueProblem } from "../../../core/project/secrets/plan.ts";
import { recipientsOf } from "../../../core/project/secrets/sops/sops.ts";
import { readSecret, secretFile } from "../../../core/project/secrets/store.ts";
import { initSecrets, planSecrets } from "../../../core/tasks/init.ts";
import { editSecret } from "../../../core/tasks/secrets/edit.ts";
import { hashPassword } from "../../../core/tasks/secrets/password.ts";
import { temporaryFolder } from "../../_project.ts";
import { filesIn, initHost, makeProject, openHost, problemsOf, valuesFor } from "../project/secrets/_lab.ts";

const host = "web-1";
const project = () => makeProject(temporaryFolder(), [{ name: host, bots: ["maren"] }]);
const values = (layout: Layout) => valuesFor(openHost(layout, host), "first");

const nothing = { make: [], change: [], placeholders: [] };

/** What was refused, as one text; and that nothing was changed by it. */
async function refusal(layout: Layout, work: () => Promise<unknown>): Promise<string> {
  const before = [...filesIn(layout.root)];
  const error = await work().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SettingsError);
  expect([...filesIn(layout.root)].filter(([path]) => !path.includes("init.lock"))).toEqual(before);
  return (error as SettingsError).message;
}

describe("secrets init", () => {
  it("makes everything a host needs, and run again makes nothing and changes no byte", async () => {
    const layout = project();
    const { make } = await initHost(layout, host, values(layout));
    expect(make).toContain(".clawdlets/secrets/hosts/web-1/discord_token_maren.yaml");
    expect(await problemsOf(layout, host)).toEqual([]);
    const before = [...filesIn(layout.root)];
    expect(await initHost(layout, host)).toEqual(nothing);
    expect(await initHost(layout, host, values(layout))).toEqual(nothing);
    expect([...filesIn(layout.root)]).toEqual(before);
  });

  it("makes a gateway's token without asking, and never another one in its place", async () => {
    const layout = project();
    mkdirSync(join(layout.root, "bots/maren"), { recursive: true });
    writeFileSync(join(layout.root, "bots/maren/openclaw.json"), "{ a: '${OPENAI_API_KEY}' }");
    const given = Object.fromEntries(
      Object.entries(values(layout)).filter(([name]) => !name.endsWith("gateway_token")),
    );
    await initHost(layout, host, given);
    const token = async () => await readSecret(openHost(layout, host).store, "maren_openclaw_gateway_token");
    const first = await token();
    expect(first).toMatch(/^[\w-]{43}$/);
    expect(await initHost(layout, host, given, true)).toEqual(nothing);
    expect(await token()).toBe(first);
    expect(await problemsOf(layout, host)).toEqual([]);
  });

  it("gives bots' missing secrets a placeholder, if that is allowed, which every check refuses", async () => {
    const layout = project();
    const { discord_token_maren: _, ...others } = values(layout);
    const { store, required, facts } = openHost(layout, host);
    const request = { store, required, values: others, overwrite: false, settings: facts, allowPlaceholders: true };
    const { placeholders, make } = await initSecrets(request);
    expect(placeholders).toEqual(["discord_token_maren"]);
    expect(make).toContain(".clawdlets/secrets/hosts/web-1/discord_token_maren.yaml");
    expect(JSON.stringify(await problemsOf(layout, host))).toContain("is still the placeholder <FILL_ME>");
    expect(await initSecrets(request)).toEqual(nothing);
    // A host without its password or auth key cannot be installed at all.
    const empty = project();
    const { store: emptyStore } = openHost(empty, host);
    const error = await refusal(empty, () => initSecrets({ ...request, store: emptyStore, values: {} }));
    expect(error).toContain("admin_password_hash");
    expect(error).not.toContain("discord_token_maren");
  });

  it("says in a dry run what it then makes", async () => {
    const layout = project();
    const { store, required, facts } = openHost(layout, host);
    const request = { store, required, values: values(layout), overwrite: false, settings: facts };
    const plan = await planSecrets(request);
    expect(existsSync(store.files.identity)).toBe(false);
    expect(await initHost(layout, host, values(layout))).toEqual({ ...plan, change: ["stacks/Pulumi.web-1.yaml"] });
  });

  it("names everything that is missing or wrong at once, and quotes no value", async () => {
    const layout = project();
    const given = { admin_password_hash: "my password itself", discord_token_olaf: "x", tailscale_auth_key: "" };
    const message = await refusal(layout, () => initHost(layout, host, given));
    expect(message).toMatch(/admin_password_hash: is malformed; allowed: a crypt\(3\) hash/);
    expect(message).toMatch(
      /discord_token_olaf: is not a secret of this host \(did you mean "discord_token_maren"\?\)/,
    );
    expect(message).toMatch(/tailscale_auth_key: is empty/);
    expect(message).toMatch(/discord_token_maren: missing: the Discord token of the bot maren/);
    expect(message).not.toContain("my password itself");
  });

  it("replaces a value only when that is said", async () => {
    const layout = project();
    await initHost(layout, host, values(layout));
    const other = { tailscale_auth_key: "tskey-auth-other" };
    expect(await refusal(layout, () => initHost(layout, host, other))).toMatch(
      /already has a different value\. Pass --yes/,
    );
    const { change } = await initHost(layout, host, other, true);
    expect(change).toEqual([".clawdlets/secrets/hosts/web-1/tailscale_auth_key.yaml"]);
  });

  it("does not make a new identity where one is lost", async () => {
    const layout = project();
    await initHost(layout, host, values(layout));
    rmSync(openHost(layout, host).store.files.identity);
    const message = await refusal(layout, () => initHost(layout, host));
    expect(message).toMatch(/there is no such file, but age1\w+ is this host's recipient.*secrets rotate --host web-1/);
  });

  it("does not make a new passphrase where one is lost", async () => {
    const layout = project();
    await initHost(layout, host, values(layout));
    rmSync(layout.passphrase);
    const stackFile = join(layout.stacks, `Pulumi.${host}.yaml`);
    const config = readFileSync(stackFile, "utf8");
    writeFileSync(stackFile, `${config}encryptionsalt: v1:canary\n`);
    const salted = await refusal(layout, () => initHost(layout, host));
    expect(salted).toMatch(/passphrase: there is no such file, but "encryptionsalt" in stacks\/Pulumi\.web-1\.yaml/);
    writeFileSync(stackFile, config);
    const states = join(layout.state, ".pulumi", "stacks", "clawdlets");
    mkdirSync(states, { recursive: true });
    writeFileSync(join(states, "web-2.json"), "{}");
    const stateful = await refusal(layout, () => initHost(layout, host));
    expect(stateful).toMatch(
      /passphrase: there is no such file, but the state of web-2 is encrypted with it\. Restore/,
    );
    rmSync(states, { recursive: true });
    expect((await initHost(layout, host)).make).toEqual([".clawdlets/passphrase"]);
  });

  it("refuses an identity that is not that of its recipient, in the stack file or beside it", async () => {
    const layout = project();
    await initHost(layout, host, values(layout));
    const { files } = openHost(layout, host).store;
    const { recipient } = await createAgeKeyPair();
    const mine = readFileSync(files.recipient, "utf8");
    writeFileSync(files.recipient, `${recipient}\n`);
    expect(await refusal(layout, () => initHost(layout, host))).toMatch(new RegExp(`age.pub says ${recipient}`));
    writeFileSync(files.recipient, mine);
    writeFileSync(files.stackFile, readFileSync(files.stackFile, "utf8").replace(/age1\w+/, recipient));
    expect(await refusal(layout, () => initHost(layout, host))).toMatch(
      new RegExp(`ageRecipient in .* is ${recipient}`),
    );
  });

  it("encrypts what is there to a new operator too", async () => {
    const layout = project();
    await initHost(layout, host, values(layout));
    const { recipient } = await createAgeKeyPair();
    writeFileSync(join(layout.operators, "olaf.age.pub"), `${recipient}\n`);
    const { change } = await initHost(layout, host);
    expect(change).toHaveLength(3);
    const text = readFileSync(secretFile(openHost(layout, host).store, "discord_token_maren"), "utf8");
    expect(recipientsOf(text)).toContain(recipient);
    expect(recipientsOf(text)).toHaveLength(3);
  });

  it("keeps the rules and comments of a .sops.yaml that is there", async () => {
    const layout = project();
    const { recipient } = await createAgeKeyPair();
    const mine = `# mine\ncreation_rules:\n  # everything else\n  - path_regex: other/.*\n    age: ${recipient}\nstores:\n  yaml:\n    indent: 2\n`;
    await initHost(layout, host, values(layout)).then(() => rmSync(layout.sopsConfig));
    writeFileSync(layout.sopsConfig, mine, { mode: 0o600 });
    await initHost(layout, host);
    const text = readFileSync(layout.sopsConfig, "utf8");
    for (const line of mine.trimEnd().split("\n")) expect(text).toContain(line);
    expect(text).toContain("hosts/web-1/");
  });

  it("two at once do not interleave: one value wins, whole", async () => {
    const layout = project();
    const salts = ["aaaa", "bbbb", "cccc"];
    const given = (salt: string) => valuesFor(openHost(layout, host), salt);
    await Promise.all(salts.map((salt) => initHost(layout, host, given(salt), true)));
    expect(await problemsOf(layout, host)).toEqual([]);
  });
});

describe("secrets edit", () => {
  const edit = (layout: Layout, name: string, value: string) => {
    const { store, required } = openHost(layout, host);
    return editSecret({ store, required, name, change: () => value });
  };

  it("changes one file alone", async () => {
    const layout = project();
    await initHost(layout, host, values(layout));
    const before = filesIn(layout.root);
    expect(await edit(layout, "discord_token_maren", "new")).toBe(true);
    const changed = [...filesIn(layout.root)].filter(([path, text]) => before.get(path) !== text);
    expect(changed.map(([path]) => path)).toEqual([secretFile(openHost(layout, host).store, "discord_token_maren")]);
    expect(await edit(layout, "discord_token_maren", "new")).toBe(false);
  });

  it.each([
    [
      "an unknown name",
      "discord_token_marn",
      "x",
      /is not a secret of this host \(did you mean "discord_token_maren"\?\)/,
    ],
    ["a value of another shape", "admin_password_hash", "x", /is malformed/],
    ["a placeholder", "discord_token_maren", "<FILL_ME>", /is still the placeholder/],
  ])("refuses %s", async (_, name, value, reason) => {
    const layout = project();
    await initHost(layout, host, values(layout));
    expect(await refusal(layout, () => edit(layout, name, value))).toMatch(reason);
  });

  it("refuses an identity that others can read, with the command that fixes it", async () => {
    const layout = project();
    await initHost(layout, host, values(layout));
    const { files } = openHost(layout, host).store;
    chmodSync(files.identity, 0o644);
    const message = await refusal(layout, () => edit(layout, "discord_token_maren", "x"));
    expect(message).toMatch(/Restrict it: find '.*\.clawdlets' .* chmod go= \{\} \+/);
    await execa("sh", ["-c", /Restrict it: (.*)/.exec(message)?.[1] ?? "false"]);
    expect(await edit(layout, "discord_token_maren", "x")).toBe(true);
    expect((await readIdentityFile(files.identity))?.recipient).toMatch(/^age1/);
  });
});

describe("a typed password", () => {
  it("becomes a hash that crypt(3) itself makes of it, and has the shape of the plan", async () => {
    const hash = hashPassword("correct horse é");
    expect(valueProblem({ kind: "password-hash" }, hash)).toBeUndefined();
    expect(verify("correct horse é", hash)).toBe(true);
    const salt = hash.slice(3).split("$").slice(0, 2).join("$");
    const { stdout } = await execa("openssl", ["passwd", "-6", "-stdin", "-salt", salt], { input: "correct horse é" });
    expect(hash).toBe(stdout.trim());
  }, 20_000);

  it("has a new salt each time", () => expect(hashPassword("x".repeat(12))).not.toBe(hashPassword("x".repeat(12))));
});
