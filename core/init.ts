import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join, relative, resolve } from "node:path";
import { stringify } from "yaml";
import { ensureBootstrapKeys } from "./bootstrap/bootstrap-keys.ts";
import { type Problem, SettingsError } from "./errors.ts";
import { withFileLock } from "./local/file-lock.ts";
import { type HostLayout, hostLayoutOf, type Layout } from "./local/layout.ts";
import { makePrivateFolder, writePrivateFile } from "./local/private-files.ts";
import { ensureSshKey, publicKeyOf } from "./local/ssh-keys.ts";
import { ensureIdentityFile } from "./secrets/age.ts";
import { requiredSecrets } from "./secrets/plan.ts";
import { encryptSecret } from "./secrets/sops.ts";
import { expandHome } from "./settings/host.ts";
import { checkStackConfig, type StackConfig } from "./settings/stack-config.ts";
import { addToStackFile, readStackFile } from "./settings/stack-file.ts";
import { readStackJson, type StackHost } from "./settings/stack-json.ts";

export interface InitRequest {
  layout: Layout;
  host: string;
  /** Plaintext by secret name, from a prompt or standard input; encrypted at once and kept nowhere. */
  values: Readonly<Record<string, string>>;
  /** Settings for a stack file that does not have them yet. */
  settings: Partial<Record<keyof StackConfig, unknown>>;
  /** `sops`, or its path. */
  sops: string;
  environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Makes whatever one host still lacks: keys, passphrase, encrypted secrets, and the public facts in its stack file.
 * What is there stays as it is, so it can be run as often as one likes.
 * @returns what was made, relative to the project
 * @throws SettingsError with everything that is missing, before anything is written
 */
export async function initHost(request: InitRequest): Promise<string[]> {
  const { layout, host } = request;
  const entry = await checkRequest(request);
  makePrivateFolder(layout.dir);
  return withFileLock(join(layout.dir, "init"), async () => {
    const made: string[] = [];
    const note = (path: string, isNew: boolean) => isNew && made.push(relative(layout.root, path));
    const files = hostLayoutOf(layout, host);
    makePrivateFolder(layout.state);
    note(layout.passphrase, await ensurePassphrase(layout));
    const operatorFile = join(layout.operators, `${userInfo().username}.agekey`);
    const operator = await ensureIdentityFile(operatorFile);
    note(operatorFile, operator.created);
    const identity = await ensureIdentityFile(files.identity);
    note(files.identity, identity.created);
    if (identity.created || !existsSync(files.recipient))
      await writePrivateFile(files.recipient, `${identity.recipient}\n`);
    note(files.hostKey, (await ensureSshKey(files.hostKey, host)).created);
    note(files.bootstrapClientKey, await ensureBootstrapKeys(files, host));
    note(layout.sopsConfig, await ensureSopsConfig(layout, host, [identity.recipient, operator.recipient]));
    const secrets = join(layout.dir, entry.secrets.localDir);
    for (const file of await writeSecrets(request, secrets, [identity.recipient, operator.recipient])) note(file, true);
    const changed = await addToStackFile(layout, host, await publicFacts(request, entry, files, identity.recipient));
    note(files.stackFile, changed.length > 0);
    return made;
  });
}

/** Everything that can be wrong, before the first write. */
async function checkRequest({ layout, host, values, settings }: InitRequest): Promise<StackHost> {
  const stackJson = readStackJson(layout);
  const where = relative(layout.root, layout.stackJson);
  const entry = stackJson.value?.hosts[host];
  const problems: Problem[] = [...stackJson.problems];
  if (!entry && stackJson.problems.length === 0) {
    const message = "there is no such host. Give --admin-cidr, --ssh-pubkey and --server-type to have it made.";
    problems.push({ where, setting: `hosts.${host}`, message });
  }
  const known = readStackFile(layout, host).value;
  const facts = { tailnet: "tailscale", bots: [], secrets: [], ...known, ...settings } as Pick<
    StackConfig,
    "tailnet" | "bots" | "secrets"
  >;
  for (const { name, purpose } of requiredSecrets(facts)) {
    const file = join(layout.dir, entry?.secrets.localDir ?? `secrets/hosts/${host}`, `${name}.yaml`);
    if (values[name] === undefined && !existsSync(file)) {
      problems.push({
        where: relative(layout.root, file),
        setting: name,
        message: `missing (${purpose}). Give it with --from-json.`,
      });
    }
  }
  const hash = values["admin_password_hash"];
  if (hash !== undefined && !/^\$(y|6)\$/.test(hash)) {
    const message = "is no crypt(3) hash; allowed: yescrypt ($y$…) or SHA-512 ($6$…). Make one: mkpasswd -m yescrypt";
    problems.push({ where: "--from-json", setting: "admin_password_hash", message });
  }
  if (problems.length > 0 || !entry) throw new SettingsError(problems);
  return entry;
}

async function ensurePassphrase(layout: Layout): Promise<boolean> {
  if (existsSync(layout.passphrase)) return false;
  await writePrivateFile(layout.passphrase, `${randomBytes(32).toString("base64url")}\n`);
  return true;
}

/** For people who run sops by hand; clawdlets names the recipients itself. An existing file is theirs. */
async function ensureSopsConfig(layout: Layout, host: string, recipients: readonly string[]): Promise<boolean> {
  if (existsSync(layout.sopsConfig)) return false;
  const rule = { path_regex: `hosts/${host}/[^/]+\\.yaml$`, age: recipients.join(",") };
  await writePrivateFile(layout.sopsConfig, stringify({ creation_rules: [rule] }, { lineWidth: 0 }));
  return true;
}

async function writeSecrets(
  { values, sops }: InitRequest,
  folder: string,
  recipients: readonly string[],
): Promise<string[]> {
  const missing = Object.entries(values).filter(([name]) => !existsSync(join(folder, `${name}.yaml`)));
  return Promise.all(
    missing.map(async ([name, value]) => {
      const file = join(folder, `${name}.yaml`);
      await writePrivateFile(file, await encryptSecret(sops, { name, value, recipients }));
      return file;
    }),
  );
}

async function publicFacts(
  { layout, settings, environment }: InitRequest,
  entry: StackHost,
  files: HostLayout,
  recipient: string,
) {
  const pubkeyFile = resolve(layout.root, expandHome(entry.opentofu.sshPubkeyFile, environment));
  const facts = {
    serverType: entry.hetzner.serverType,
    flakeHost: entry.flakeHost,
    ageRecipient: recipient,
    sshHostKey: publicKeyOf(files.hostKey),
    adminSshKeys: existsSync(pubkeyFile) ? [readFileSync(pubkeyFile, "utf8").trim()] : undefined,
    ...settings,
  };
  const { problems } = checkStackConfig(
    Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)),
    "settings",
  );
  if (problems.length > 0) throw new SettingsError(problems);
  return facts;
}
