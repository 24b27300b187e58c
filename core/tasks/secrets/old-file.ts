import { existsSync } from "node:fs";
import { relative } from "node:path";
import { isMap, isScalar, parseDocument } from "yaml";
import { objectionOf } from "../../base/errors.ts";
import type { Problem } from "../../base/problem.ts";
import { readIdentityFile } from "../../project/secrets/keys/age.ts";
import { isPlaceholder } from "../../project/secrets/plan.ts";
import { decryptYaml } from "../../project/secrets/sops/sops.ts";
import { readSecret, type SecretStore, secretFile } from "../../project/secrets/store.ts";
import { secretName } from "../../project/settings/names.ts";

/** The content of one host's old single file. */
export interface OldFile {
  store: SecretStore;
  file: string;
  values: Record<string, string>;
  skipped: string[];
}

/** Reads upstream's single file, which is next to the folder that replaces it: `<folder>.yaml` or `.yml`. */
export async function readOldFile(
  store: SecretStore,
  overwrite: boolean,
): Promise<{ value?: OldFile; problems: Problem[] }> {
  const file = [`${store.folder}.yaml`, `${store.folder}.yml`].find((path) => existsSync(path));
  if (file === undefined) return { problems: [] };
  const where = relative(store.layout.root, file);
  const identities = [store.operatorFile, store.files.identity].filter((path) => existsSync(path));
  const pair = await readIdentityFile(store.files.identity);
  if (!pair) {
    return {
      problems: [
        {
          code: "key-missing",
          subject: where,
          setting: "age identity",
          problem: `${relative(store.layout.root, store.files.identity)} is missing, so nothing could be encrypted to the host.`,
          fix: `Restore it from a backup, or create a new one: clawdlets secrets init --host ${store.host}`,
        },
      ],
    };
  }
  try {
    const { values, skipped, problems } = scalarsOf(await decryptYaml(store.sops, { file, identities }), where);
    for (const [name, value] of Object.entries(values)) {
      const there = await readSecret(store, name);
      if (there === undefined || there === value || overwrite) continue;
      const displayPath = relative(store.layout.root, secretFile(store, name));
      problems.push({
        code: "secret-exists",
        subject: displayPath,
        setting: name,
        problem: `has a different value than ${where}.`,
        fix: `Pass --yes to overwrite it with the one from ${where}.`,
      });
    }
    return problems.length > 0 ? { problems } : { value: { store, file, values, skipped }, problems };
  } catch (error) {
    return { problems: [{ subject: where, ...objectionOf(error, "secret-unreadable") }] };
  }
}

/** Values as source text: a Discord id without quotes is a YAML number, and would lose digits as a JavaScript number. */
function scalarsOf(
  text: string,
  where: string,
): { values: Record<string, string>; skipped: string[]; problems: Problem[] } {
  const values: Record<string, string> = {};
  const skipped: string[] = [];
  const problems: Problem[] = [];
  const { contents } = parseDocument(text);
  for (const { key, value } of isMap(contents) ? contents.items : []) {
    const name = isScalar(key) ? String(key.value) : "?";
    const typed = isScalar(value) ? (typeof value.value === "string" ? value.value : (value.source ?? "")) : undefined;
    const checked = secretName.safeParse(name);
    if (typed === "" || (typed !== undefined && isPlaceholder(typed))) skipped.push(name);
    else if (typed === undefined)
      problems.push({
        code: "secret-invalid",
        subject: where,
        setting: name,
        problem: "is a list or a mapping; a secret has to be text.",
      });
    else if (!checked.success) {
      const allowed = checked.error.issues.map(({ message }) => message).join("; ");
      problems.push({
        code: "invalid-value",
        subject: where,
        setting: name,
        problem: `is not a valid name for a secret; ${allowed}.`,
        fix: "Rename it in the old file.",
      });
    } else values[name] = typed;
  }
  return { values, skipped, problems };
}
