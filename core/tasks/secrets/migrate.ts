import { existsSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { movePrivateFile, readPublicFile, writePrivateFile } from "../../base/machine/private-files.ts";
import type { Problem } from "../../base/problem.ts";
import { parseJsonText } from "../../base/text/json-text.ts";
import { checkLocalFolder } from "../../project/hygiene.ts";
import type { Layout } from "../../project/layout.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";
import { readIdentityFile } from "../../project/secrets/keys/age.ts";
import { openStore, readSecret, wantedRecipients, writeRule, writeSecret } from "../../project/secrets/store.ts";
import { addToStackFile, readRawStackFile } from "../../project/settings/stack-file.ts";
import { migrateStackJson } from "../../project/settings/stack-json/migrate.ts";
import { type OldFile, readOldFile } from "./old-file.ts";

export interface MigrateRequest {
  layout: Layout;
  /** @default every host of stack.json */
  host?: string;
  operatorFile: string;
  /** Replace different values in existing secret files with those of the old file. */
  overwrite: boolean;
  /** Plan only. */
  dryRun: boolean;
  sops: string;
}

export interface MigrateResult {
  /** Previous schema version of stack.json; 3 if it was up to date. */
  fromSchema: number;
  /** By host: secrets that were moved to separate files, and skipped placeholders. */
  hosts: Record<string, { moved: string[]; skipped: string[] }>;
  /** New names of the old files, relative to the project. */
  backups: string[];
}

/**
 * Migrates upstream's older files to one secret per file, and stack.json to schema 3. Old files are kept as `.bak`. Idempotent:
 * it continues after being killed, and does nothing if there is nothing to do.
 * @throws SettingsError with everything that cannot be migrated, before anything is changed
 */
export async function migrateSecrets(request: MigrateRequest): Promise<MigrateResult> {
  const { layout } = request;
  return asOnlyWriter(layout, async () => {
    const stack = readOldStack(layout);
    const problems = [...(await checkLocalFolder(layout)), ...stack.problems];
    const names = request.host === undefined ? Object.keys(stack.folders) : [request.host];
    const old: OldFile[] = [];
    for (const host of names) {
      const folder = stack.folders[host];
      if (folder === undefined) {
        problems.push({
          code: "no-such-host",
          subject: relative(layout.root, layout.stackJson),
          setting: `hosts.${host}`,
          problem: `there is no such host; it has ${Object.keys(stack.folders).join(", ")}.`,
        });
        continue;
      }
      const { operatorFile, sops } = request;
      const store = openStore(layout, { host, folder: resolve(layout.dir, folder), operatorFile, sops });
      const found = await readOldFile(store, request.overwrite);
      problems.push(...found.problems);
      if (found.value) old.push(found.value);
    }
    if (problems.length > 0) throw new SettingsError(problems);
    const result: MigrateResult = {
      fromSchema: stack.version,
      hosts: Object.fromEntries(
        old.map(({ store, values, skipped }) => [store.host, { moved: Object.keys(values), skipped }]),
      ),
      backups: [],
    };
    if (request.dryRun) return result;
    for (const each of old) result.backups.push(await splitFile(each));
    if (stack.version !== 3 && stack.next !== undefined) {
      result.backups.push(await backUp(layout, layout.stackJson, false));
      await writePrivateFile(layout.stackJson, `${JSON.stringify(stack.next, null, 2)}\n`);
    }
    return result;
  });
}

function readOldStack(layout: Layout): {
  version: number;
  next: unknown;
  folders: Record<string, string>;
  problems: Problem[];
} {
  const where = relative(layout.root, layout.stackJson);
  const text = readPublicFile(layout.stackJson);
  const nothing = { version: 3, next: undefined, folders: {} };
  if (text === undefined) {
    return {
      ...nothing,
      problems: [{ code: "file-missing", subject: where, problem: "there is no such file." }],
    };
  }
  const { value: input, problems: broken } = parseJsonText(text, where);
  if (broken.length > 0) return { ...nothing, problems: broken };
  const { value, problems } = migrateStackJson(input);
  if (!value) return { ...nothing, problems };
  const version =
    typeof input === "object" && input !== null && "schemaVersion" in input ? Number(input.schemaVersion) : 3;
  const folders = Object.entries(value.hosts).map(([host, { secrets }]) => [host, secrets.localDir] as const);
  return { version, next: value, folders: Object.fromEntries(folders), problems };
}

async function splitFile({ store, file, values }: OldFile): Promise<string> {
  const pair = await readIdentityFile(store.files.identity);
  await writeRule(store, wantedRecipients(store, { hosts: pair ? [pair.recipient] : [] }));
  for (const [name, value] of Object.entries(values)) {
    if ((await readSecret(store, name)) !== value) await writeSecret(store, name, value);
  }
  const raw = readRawStackFile(store.layout, store.host);
  if (Object.keys(raw).length > 0 || !existsSync(store.files.stackFile)) {
    await addToStackFile(store.layout, store.host, namesForStack(Object.keys(values)));
  }
  return backUp(store.layout, file, true);
}

/** The host's bots and additional secrets, derived from the names in the old file. */
function namesForStack(names: readonly string[]): { bots?: string[]; secrets?: string[] } {
  const bots = names.flatMap((name) => /^discord_token_(.+)$/.exec(name)?.[1] ?? []);
  const planned = ["admin_password_hash", "tailscale_auth_key"];
  const secrets = names.filter((name) => !planned.includes(name) && !name.startsWith("discord_token_"));
  return { ...(bots.length > 0 && { bots }), ...(secrets.length > 0 && { secrets }) };
}

/** Keeps an old file as `.bak`, or `.bak2` and so on if that exists. @returns its new name, relative to the project */
async function backUp(layout: Layout, file: string, move: boolean): Promise<string> {
  const free = ["bak", ...Array.from({ length: 98 }, (_, index) => `bak${index + 2}`)];
  const target = free.map((end) => `${file}.${end}`).find((path) => !existsSync(path)) ?? `${file}.bak${Date.now()}`;
  if (move) await movePrivateFile(file, target);
  else await writePrivateFile(target, readFileSync(file, "utf8"));
  return relative(layout.root, join(target));
}
