import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import { readBootstrapKeys } from "../bootstrap/bootstrap-keys.ts";
import { readJournal } from "../bootstrap/journal.ts";
import { checkKeys } from "../bootstrap/preflight.ts";
import { readSecretSources } from "../bootstrap/upstream-secrets.ts";
import { hostLayoutOf, type Layout } from "../local/layout.ts";
import { readPrivateFile } from "../local/private-files.ts";
import { readState } from "../local/state.ts";
import { readIdentityFile } from "../secrets/age.ts";
import { checkHostIdentity, checkRecipients, checkSecrets } from "../secrets/check.ts";
import { operatorIdentityFile } from "../secrets/operators.ts";
import { requiredSecrets } from "../secrets/plan.ts";
import { readRotation } from "../secrets/rotation.ts";
import { openStore, ruleRecipients } from "../secrets/store.ts";
import { readEnvFile, tokenProblem } from "../settings/env-file.ts";
import { completeSettings, type HostSettings, type LocalSettings, readLocal } from "../settings/host.ts";
import { readStackFile } from "../settings/stack-file.ts";
import { readStackJson } from "../settings/stack-json.ts";
import type { DoctorContext } from "./context.ts";
import {
  attempt,
  type Finding,
  fromProblems,
  type Looked,
  notLookedAt,
  ok,
  problem,
  told,
  warning,
} from "./finding.ts";

/** The settings of one host, as far as they can be read. */
interface Read {
  settings: HostSettings | undefined;
  local: LocalSettings | undefined;
}

/** Files, keys and secrets on this machine. Needs no network. */
export async function checkStack(context: DoctorContext): Promise<Finding[]> {
  const findings = [...(await checkTokens(context)), ...(await checkPassphrase(context))];
  for (const host of context.hosts) findings.push(...(await checkHost(context, host)));
  return findings;
}

/** Without throwing: a broken file is a finding, and what does not depend on it is looked at all the same. */
export function readSettings(
  { layout, environment }: DoctorContext,
  host: string,
): Read & { findings: Promise<Finding[]> } {
  const looked: Looked = {
    scope: "stack",
    host,
    check: "settings",
    looked: `stacks/Pulumi.${host}.yaml and .clawdlets/stack.json`,
  };
  const stack = readStackFile(layout, host);
  let local: LocalSettings | undefined;
  const findings = attempt(looked, () => {
    // The token is looked at once for the whole project.
    const read = readLocal(layout, host, environment, stack.value, { token: false });
    local = read.value;
    return fromProblems(looked, [...stack.problems, ...read.problems], "whole, and both say the same");
  });
  return { settings: stack.value && completeSettings(host, stack.value), local, findings };
}

async function checkHost(context: DoctorContext, host: string): Promise<Finding[]> {
  const { settings, local, findings } = readSettings(context, host);
  const found = [...(await findings)];
  if (settings) found.push(...checkExposure(settings));
  found.push(...(await checkRun(context, host)));
  if (!settings || !local) {
    const looked: Looked = {
      scope: "stack",
      host,
      check: "keys and secrets",
      looked: ".clawdlets/secrets, .clawdlets/hosts",
    };
    return [...found, notLookedAt(looked, "which ones are needed is not known while the settings cannot be read")];
  }
  return [...found, ...(await checkKeysAndSecrets(context, settings, local))];
}

async function checkTokens({ layout, environment }: DoctorContext): Promise<Finding[]> {
  const looked: Looked = { scope: "stack", check: "tokens", looked: ".clawdlets/.env and the environment" };
  return attempt(looked, () => {
    const stackJson = readStackJson(layout);
    const env = readEnvFile(layout, environment, stackJson.value?.envFile);
    const token = tokenProblem(env.value.HCLOUD_TOKEN, env.where);
    return fromProblems(
      looked,
      [...env.problems, ...(token ? [token] : [])],
      "HCLOUD_TOKEN is set and has the right shape",
    );
  });
}

async function checkPassphrase({ layout }: DoctorContext): Promise<Finding[]> {
  const looked: Looked = { scope: "stack", check: "passphrase", looked: relative(layout.root, layout.passphrase) };
  return attempt(looked, () => {
    if (readPrivateFile(layout.passphrase) !== undefined) return [ok(looked, "there, and private")];
    if (!existsSync(layout.state)) return [warning(looked, "there is none yet", "clawdlets init")];
    return [problem(looked, "there is a state, and no passphrase to read its secrets with", "put a backup of it back")];
  });
}

function checkExposure(settings: HostSettings): Finding[] {
  const { host, sshExposure, tailnet, firewallRules } = settings;
  const looked: Looked = { scope: "stack", host, check: "exposure", looked: `stacks/Pulumi.${host}.yaml` };
  const findings = [
    sshExposure === "tailnet"
      ? ok(looked, "TCP/22 is for nobody at rest")
      : sshExposure === "public"
        ? warning(
            looked,
            "TCP/22 is open to the admin networks at rest",
            'clawdlets:sshExposure: tailnet, then "clawdlets up"',
          )
        : warning(
            looked,
            "the window of the installation stays open until it is closed by hand",
            `clawdlets lockdown --host ${host}, then clawdlets:sshExposure: tailnet`,
          ),
  ];
  if (tailnet === "none" && sshExposure !== "public") {
    findings.push(
      warning(looked, "there is no tailnet: the console is the only way in", "clawdlets:tailnet: tailscale"),
    );
  }
  if (firewallRules.length > 0) {
    findings.push(
      ok({ ...looked, check: "firewall rules" }, `${firewallRules.length} further inbound rule(s), none for TCP/22`),
    );
  }
  return findings;
}

/** What a run that was killed or failed has left. */
async function checkRun({ layout }: DoctorContext, host: string): Promise<Finding[]> {
  const files = hostLayoutOf(layout, host);
  const state: Looked = { scope: "stack", host, check: "state", looked: `the engine's state of ${host}` };
  const journal: Looked = { scope: "stack", host, check: "installation", looked: relative(layout.root, files.journal) };
  return [
    ...(await attempt(state, () => {
      const { value, problems } = readState(layout, host);
      if (problems.length > 0) return fromProblems(state, problems, "");
      if (!value) return [ok(state, "none here yet")];
      if (value.pending.length === 0) return [ok(state, `${value.resources.length} resources, nothing half done`)];
      return [warning(state, "a run was killed while it changed something", `clawdlets up --host ${host}`)];
    })),
    ...(await attempt(journal, () => {
      const last = readJournal(files.journal);
      if (!last) return [ok(journal, "never installed from this machine")];
      if (last.state === "done") return [ok(journal, `installation ${last.installId} is done`)];
      return [warning(journal, `installation ${last.installId} is ${last.state}`, `clawdlets up --host ${host}`)];
    })),
  ];
}

async function checkKeysAndSecrets(
  context: DoctorContext,
  settings: HostSettings,
  local: LocalSettings,
): Promise<Finding[]> {
  const { layout, environment, sops } = context;
  const { host } = settings;
  const files = hostLayoutOf(layout, host);
  const at = (check: string, looked: string): Looked => ({ scope: "stack", host, check, looked });
  const keys = at("ssh keys", `${relative(layout.root, files.dir)}/ssh and ${local.sshPubkeyFile}`);
  const identity = at("age identity", relative(layout.root, files.identity));
  const identityOfOperator = operatorFile(layout, environment);
  const operator = at("operator's identity", relative(layout.root, identityOfOperator));
  const rotation = at("rotation", `.clawdlets/secrets/hosts/${host}.rotation.json`);
  const rules = at("sops rules", relative(layout.root, layout.sopsConfig));
  const check = { layout, host: files, hostName: host, recipient: settings.ageRecipient, secretsDir: local.secretsDir };
  return [
    ...(await attempt(keys, () => {
      const fine = readBootstrapKeys(files) ? "one-time keys, host key and operator's key are there and fit" : "";
      return fromProblems(keys, checkKeys({ layout, settings, local }), fine);
    })),
    ...(await attempt(identity, async () =>
      fromProblems(
        identity,
        await checkHostIdentity({ ...check, required: [], sops: sops ?? "" }),
        "there, private, and of the recipient",
      ),
    )),
    ...(await attempt(operator, async () => {
      if (await readIdentityFile(identityOfOperator)) return [ok(operator, "there, and private")];
      const mend = `clawdlets secrets init --host ${host}`;
      return [warning(operator, "there is none, so you could not edit secrets without the host's own", mend)];
    })),
    ...(await attempt(rotation, () => {
      const under = readRotation({ layout, host });
      if (!under) return [ok(rotation, "none under way")];
      return [
        problem(rotation, `one begun at ${under.startedAt} is not finished`, `clawdlets secrets rotate --host ${host}`),
      ];
    })),
    ...(await attempt(rules, () => {
      const store = openStore(layout, { host, folder: local.secretsDir, operatorFile: identityOfOperator, sops: "" });
      const found = ruleRecipients(store);
      if (found.includes(settings.ageRecipient)) return [ok(rules, "there is one for this host, with its recipient")];
      return [warning(rules, "no rule encrypts to this host", `clawdlets secrets init --host ${host}`)];
    })),
    ...(await checkSecretFiles(context, settings, local)),
  ];
}

/** Each required secret: there, for the host's recipient, and decrypted where sops is at hand. */
async function checkSecretFiles(
  { layout, sops }: DoctorContext,
  settings: HostSettings,
  local: LocalSettings,
): Promise<Finding[]> {
  const { host } = settings;
  const files = hostLayoutOf(layout, host);
  const looked: Looked = { scope: "stack", host, check: "secrets", looked: relative(layout.root, local.secretsDir) };
  return attempt(looked, async () => {
    const all = requiredSecrets(settings);
    const required = readSecretSources(layout, files, local, all).local;
    const check = {
      layout,
      host: files,
      hostName: host,
      recipient: settings.ageRecipient,
      secretsDir: local.secretsDir,
      required,
    };
    if (sops === undefined) {
      const found = fromProblems(looked, checkRecipients(check), `all ${all.length} are there and for this host`);
      return [...found, notLookedAt(looked, "whether they decrypt: no sops at hand", "npm start sets the tools up")];
    }
    const found = await checkSecrets({ ...check, sops });
    const wrong = found.filter(({ status }) => status !== "ok");
    if (wrong.length === 0)
      return [ok(looked, `all ${all.length} are there, decrypt for this host, and have their shape`)];
    return wrong.map(({ name, file, message }) => told({ ...looked, looked: file }, `${name}: ${message}`));
  });
}

function operatorFile(layout: Layout, environment: DoctorContext["environment"]): string {
  const named = readEnvFile(layout, environment, readStackJson(layout).value?.envFile).value.SOPS_AGE_KEY_FILE;
  return resolve(layout.root, operatorIdentityFile(layout, named));
}
