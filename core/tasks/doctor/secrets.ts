import { relative, resolve } from "node:path";
import { readSecretSources } from "../../host/delivery/upstream-secrets.ts";
import { readBootstrapKeys } from "../../host/install/bootstrap-keys.ts";
import { checkKeys } from "../../host/install/preflight.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { checkHostIdentity, checkRecipients, checkSecrets, problemOf } from "../../project/secrets/check.ts";
import { readIdentityFile } from "../../project/secrets/keys/age.ts";
import { operatorIdentityFile } from "../../project/secrets/keys/operators.ts";
import { requiredSecrets } from "../../project/secrets/required.ts";
import { readRotation } from "../../project/secrets/rotation.ts";
import { openStore, ruleRecipients } from "../../project/secrets/store.ts";
import { readEnvFile } from "../../project/settings/env-file.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import { readStackJson } from "../../project/settings/stack-json/stack-json.ts";
import type { DoctorContext } from "./context.ts";
import { attempt, type Check, type Finding, fromProblems, notChecked, ok, problem, warning } from "./finding.ts";

/** Checks the keys and sops files of one host. */
export async function checkKeysAndSecrets(
  context: DoctorContext,
  settings: HostSettings,
  local: LocalSettings,
): Promise<Finding[]> {
  const { layout, environment, sops } = context;
  const { host } = settings;
  const files = hostLayoutOf(layout, host);
  const at = (check: string, subject: string): Check => ({ scope: "stack", host, check, subject });
  const keys = at("ssh keys", `${relative(layout.root, files.dir)}/ssh and ${local.sshPubkeyFile}`);
  const identity = at("age identity", relative(layout.root, files.identity));
  const identityOfOperator = operatorFile(layout, environment);
  const operator = at("operator's identity", relative(layout.root, identityOfOperator));
  const rotation = at("rotation", `.clawdlets/secrets/hosts/${host}.rotation.json`);
  const rules = at("sops rules", relative(layout.root, layout.sopsConfig));
  const check = { layout, host: files, hostName: host, recipient: settings.ageRecipient, secretsDir: local.secretsDir };
  return [
    ...(await attempt(keys, async () => {
      const fine = readBootstrapKeys(files)
        ? "one-time keys, host key and operator's key exist, match and are usable"
        : "";
      return fromProblems(keys, await checkKeys({ layout, settings, local }), fine);
    })),
    ...(await attempt(identity, async () =>
      fromProblems(
        identity,
        await checkHostIdentity({ ...check, required: [], sops: sops ?? "" }),
        "exists, is private, and matches the recipient",
      ),
    )),
    ...(await attempt(operator, async () => {
      if (await readIdentityFile(identityOfOperator, "operator")) return [ok(operator, "exists and is private")];
      const fix = `clawdlets secrets init --host ${host}`;
      const text = "does not exist, so you cannot edit secrets without the host's own";
      return [warning(operator, "key-missing", text, fix)];
    })),
    ...(await attempt(rotation, () => {
      const under = readRotation({ layout, host });
      if (!under) return [ok(rotation, "none in progress")];
      return [
        problem(
          rotation,
          "rotation-unfinished",
          `a rotation started at ${under.startedAt} is not finished`,
          `clawdlets secrets rotate --host ${host}`,
        ),
      ];
    })),
    ...(await attempt(rules, () => {
      const store = openStore(layout, { host, folder: local.secretsDir, operatorFile: identityOfOperator, sops: "" });
      const found = ruleRecipients(store);
      if (found.includes(settings.ageRecipient)) return [ok(rules, "this host has a rule with its recipient")];
      return [
        warning(rules, "wrong-recipient", "no rule encrypts to this host", `clawdlets secrets init --host ${host}`),
      ];
    })),
    ...(await checkSecretFiles(context, settings, local)),
  ];
}

/** Checks that each required secret exists, is encrypted to the host and, if sops is installed, decrypts. */
async function checkSecretFiles(
  { layout, sops }: DoctorContext,
  settings: HostSettings,
  local: LocalSettings,
): Promise<Finding[]> {
  const { host } = settings;
  const files = hostLayoutOf(layout, host);
  const about: Check = { scope: "stack", host, check: "secrets", subject: relative(layout.root, local.secretsDir) };
  return attempt(about, async () => {
    const all = requiredSecrets(layout, settings);
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
      const found = fromProblems(
        about,
        checkRecipients(check),
        `all ${all.length} exist and are encrypted to this host`,
      );
      return [
        ...found,
        notChecked(about, "cannot test decryption: sops is not installed", "npm start installs the tools"),
      ];
    }
    const found = await checkSecrets({ ...check, sops });
    const fine = `all ${all.length} exist, decrypt for this host, and are well-formed`;
    return fromProblems(about, found.flatMap(problemOf), fine);
  });
}

function operatorFile(layout: Layout, environment: DoctorContext["environment"]): string {
  const named = readEnvFile(layout, environment, readStackJson(layout).value?.envFile).value.SOPS_AGE_KEY_FILE;
  return resolve(layout.root, operatorIdentityFile(layout, named));
}
