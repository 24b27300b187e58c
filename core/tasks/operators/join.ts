import { lstatSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { SettingsError, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Environment } from "../../base/machine/environment.ts";
import {
  makePrivateFolder,
  readPublicFile,
  removePrivateFile,
  writePrivateFile,
} from "../../base/machine/private-files.ts";
import type { Problem } from "../../base/problem.ts";
import { parseJson } from "../../base/text/json.ts";
import { safeText } from "../../base/wording.ts";
import { checkLocalFolder } from "../../project/hygiene.ts";
import type { Layout } from "../../project/layout.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";
import { readIdentityFile } from "../../project/secrets/keys/age.ts";
import {
  ensureOperator,
  operatorFiles,
  operatorIdentityFile,
  operatorName,
  readOperators,
} from "../../project/secrets/keys/operators.ts";
import { envFileTemplate, readEnvFile } from "../../project/settings/env-file.ts";
import { checkStackJson, readStackJson, type StackJson } from "../../project/settings/stack-json/stack-json.ts";
import { sha256, type VaultFile } from "../vault/contents.ts";
import { open } from "../vault/sealed.ts";
import { isShared } from "./handover.ts";

export interface Joining {
  /** As the others should call this operator. */
  name: string;
  recipient: string;
  created: boolean;
}

const identityFileOf = (layout: Layout, environment: Environment) =>
  operatorIdentityFile(
    layout,
    readEnvFile(layout, environment, readStackJson(layout).value?.envFile).value.SOPS_AGE_KEY_FILE,
  );

/** Makes this operator's own identity, in a clone that has nothing else yet. Its public half is what a colleague needs. */
export async function beginJoining(layout: Layout, environment: Environment): Promise<Joining> {
  makePrivateFolder(layout.dir);
  const problems = await checkLocalFolder(layout);
  if (problems.length > 0) throw new SettingsError(problems);
  return asOnlyWriter(layout, async () => {
    const { recipient, created } = await ensureOperator(layout, identityFileOf(layout, environment));
    return { name: operatorName(), recipient, created };
  });
}

export interface JoinRequest {
  layout: Layout;
  environment: Environment;
  /** Absolute path of the handover. */
  file: string;
  /** Settings of stack.json that each operator has for themselves. */
  own: { adminCidr?: string | undefined; sshPubkeyFile?: string | undefined };
  /** Also replace files that were changed here after the handover was made. */
  overwrite: boolean;
  dryRun: boolean;
}

export interface Joined {
  at: string;
  hosts: string[];
  /** Files that were created or changed, relative to the project. */
  changed: string[];
}

/**
 * Takes a colleague's handover over: what all operators share replaces what is here; the own identity, tokens, admin network and key stay.
 * @throws UserError, SettingsError before anything is written
 */
export async function finishJoining(request: JoinRequest): Promise<Joined> {
  const { layout, environment, file, dryRun } = request;
  const identity = await readIdentityFile(identityFileOf(layout, environment), "operator");
  if (!identity) {
    throw new UserError(
      {
        code: "key-missing",
        subject: relative(layout.root, identityFileOf(layout, environment)),
        problem: "there is no such file, so nothing here opens a handover.",
        fix: "Make your identity, and send its public half to a colleague: clawdlets operator join",
      },
      { exitCode: exitCodes.settings },
    );
  }
  const { about, files } = await open(file, { identity: identity.identity }, "operator handover");
  const foreign = files.find(({ path }) => !isShared(path));
  if (foreign) throw notAHandover(file, foreign.path);
  const problems = await checkLocalFolder(layout);
  if (problems.length > 0) throw new SettingsError(problems);
  const take = async (): Promise<Joined> => {
    const merged = files.map((each) =>
      each.path === "stack.json" ? { ...each, content: ownStack(request, each) } : each,
    );
    const due = merged.filter(({ path, content }) => hereAs(layout, path) !== sha256(content));
    if (!request.overwrite) refuseNewer(layout, due, about.at);
    if (!dryRun) {
      // Last, because a host without its entry is only unknown, while an entry without its keys looks like lost ones.
      const ordered = [
        ...due.filter(({ path }) => path !== "stack.json"),
        ...due.filter(({ path }) => path === "stack.json"),
      ];
      for (const { path, content } of ordered) await writePrivateFile(join(layout.dir, path), Buffer.from(content));
      await ensureEnvFile(layout);
      await forgetOtherName(layout, identity.recipient, files);
    }
    return { at: about.at, hosts: about.hosts, changed: due.map(({ path }) => `.clawdlets/${path}`) };
  };
  return dryRun ? take() : asOnlyWriter(layout, take);
}

function notAHandover(file: string, path: string): UserError {
  return new UserError(
    {
      code: "file-invalid",
      subject: file,
      problem: `holds ${safeText(path, 200)}, which is one operator's own.`,
      fix: "Use the file that operator handover wrote. A whole vault goes into a clone of its own: clawdlets vault import",
    },
    { exitCode: exitCodes.settings },
  );
}

function hereAs(layout: Layout, path: string): string | undefined {
  const file = join(layout.dir, path);
  return lstatSync(file, { throwIfNoEntry: false })?.isFile() ? sha256(readFileSync(file)) : undefined;
}

/** An old handover would bring back old secrets, and the next rebuild would send them. */
function refuseNewer(layout: Layout, due: readonly VaultFile[], at: string): void {
  const newer = due.filter(({ path }) => {
    const stat = lstatSync(join(layout.dir, path), { throwIfNoEntry: false });
    return stat !== undefined && path !== "stack.json" && stat.mtimeMs > Date.parse(at);
  });
  if (newer.length === 0) return;
  throw new SettingsError(
    newer.map(
      ({ path }): Problem => ({
        code: "secret-exists",
        subject: `.clawdlets/${path}`,
        problem: `was changed here after the handover was made (${at}).`,
        fix: "Ask for a new handover, or pass --yes to replace it. The copy of your keys keeps what is here: clawdlets secrets restore",
      }),
    ),
  );
}

/** The handover's stack.json with what is this operator's own: each one's network and key, of hosts that are here already too. */
function ownStack({ layout, own }: JoinRequest, { content }: VaultFile): Uint8Array {
  const given = parseJson(Buffer.from(content).toString("utf8"));
  const checked = checkStackJson(given, "the handover's stack.json");
  if (!checked.value) throw new SettingsError(checked.problems);
  const here = readStackJson(layout).value;
  const hosts = Object.entries(checked.value.hosts).map(([host, entry]) => {
    const before = here && Object.hasOwn(here.hosts, host) ? here.hosts[host]?.opentofu : undefined;
    const opentofu = { ...entry.opentofu, ...before };
    if (own.adminCidr !== undefined) opentofu.adminCidr = own.adminCidr;
    if (own.sshPubkeyFile !== undefined) opentofu.sshPubkeyFile = own.sshPubkeyFile;
    return [host, { ...entry, opentofu }] as const;
  });
  const next: StackJson = { ...checked.value, hosts: Object.fromEntries(hosts) };
  const again = checkStackJson(next, "stack.json");
  if (!again.value) throw new SettingsError(again.problems);
  return Buffer.from(`${JSON.stringify(next, null, 2)}\n`);
}

/** The name that a colleague has chosen counts: under two names, a removal of one would leave the other. */
async function forgetOtherName(layout: Layout, recipient: string, given: readonly VaultFile[]): Promise<void> {
  const mine = readOperators(layout).filter((each) => each.recipient === recipient);
  const isGiven = (file: string) => given.some(({ path }) => join(layout.dir, path) === file);
  const files = mine.map(({ name }) => operatorFiles(layout, name).recipient);
  if (files.some(isGiven)) for (const file of files) if (!isGiven(file)) await removePrivateFile(file);
}

async function ensureEnvFile(layout: Layout): Promise<void> {
  const file = join(layout.dir, readStackJson(layout).value?.envFile ?? ".env");
  if (readPublicFile(file) === undefined) await writePrivateFile(file, envFileTemplate());
}
