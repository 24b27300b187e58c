import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { SettingsError } from "../base/errors.ts";
import { makePrivateFolder, readPublicFile, writePrivateFile, writePublicFile } from "../base/machine/private-files.ts";
import { didYouMean } from "../base/nearest.ts";
import type { Objection, Problem } from "../base/problem.ts";
import { quoted } from "../base/wording.ts";
import { hostLayoutOf, type Layout } from "../project/layout.ts";
import { asOnlyWriter } from "../project/project-lock.ts";
import { envFileTemplate } from "../project/settings/env-file.ts";
import { exampleHost } from "../project/settings/example-stack.ts";
import { hostName } from "../project/settings/names.ts";
import { checkStackConfig } from "../project/settings/stack-config/check.ts";
import type { StackConfig } from "../project/settings/stack-config/stack-config.ts";
import {
  addToStackFile,
  copyStackFile,
  hasExample,
  listStackFiles,
  readRawStackFile,
} from "../project/settings/stack-file.ts";
import {
  hostEntry,
  parseStackJson,
  readStackJson,
  type StackHost,
  type StackJson,
  stackJsonSchema,
} from "../project/settings/stack-json/stack-json.ts";
import { missingWorkflowFiles } from "./repo/workflow-files.ts";

export interface ScaffoldRequest {
  layout: Layout;
  host: string;
  /** Settings for a new host in stack.json. */
  entry: { adminCidr?: string | undefined; sshPubkeyFile?: string | undefined; serverType?: string | undefined };
  /** Flake URI for `base.flake`. */
  flake?: string | undefined;
  /** Settings to add to the stack file if missing. */
  settings: Partial<Record<keyof StackConfig, unknown>>;
  /** Host whose settings and comments a new stack file starts with. @default the example, if the project has it */
  like?: string | undefined;
  /** Also the workflow that proposes newer inputs of the flake. @default false */
  weeklyUpdates?: boolean;
  dryRun: boolean;
}

const ignoreLine = ".clawdlets/";

/**
 * Creates the files of a project and adds one host to them: `.gitignore`, `.clawdlets` with stack.json, `.env` and the
 * editor's schema, the stack file, and in a git repository workflows for CI. Keeps existing files.
 * @returns files that were created or extended, relative to the project
 * @throws SettingsError before anything is written
 */
export async function scaffold(request: ScaffoldRequest): Promise<string[]> {
  const { layout, host, dryRun } = request;
  const copied = copiedHost(request);
  const serverType = request.entry.serverType ?? declared(layout, copied ?? host, "serverType") ?? "cx43";
  const entry = { ...request.entry, serverType };
  const settings = { ...request.settings, ...(copied !== undefined && { serverType }) };
  const stack = nextStackJson({ ...request, entry });
  const found = checkStackConfig(withoutUndefined(settings), `stacks/Pulumi.${host}.yaml`);
  // secrets init adds keys and recipients later.
  const problems = found.problems.filter(({ code }) => code !== "missing-setting");
  if (problems.length > 0) throw new SettingsError(problems);
  const steps: [string, boolean, () => Promise<unknown>][] = [
    [join(layout.root, ".gitignore"), !isIgnored(layout), () => addIgnoreLine(layout)],
    [layout.stackJson, stack !== undefined, () => writePrivateFile(layout.stackJson, json(stack))],
    [envFile(layout), !existsSync(envFile(layout)), () => writePrivateFile(envFile(layout), envFileTemplate())],
    [schemaFile(layout), isStale(layout), () => writePrivateFile(schemaFile(layout), json(stackJsonSchema()))],
    ...missingWorkflowFiles(layout.root, request.weeklyUpdates).map(
      ({ path, text }): [string, boolean, () => Promise<unknown>] => [
        join(layout.root, path),
        true,
        () => writePublicFile(join(layout.root, path), text),
      ],
    ),
  ];
  const due = steps.filter(([, isDue]) => isDue);
  const files = due.map(([file]) => relative(layout.root, file));
  if (dryRun) return [...files, `stacks/Pulumi.${host}.yaml`];
  // Before anything else, so that git never sees the new files.
  if (!isIgnored(layout)) await addIgnoreLine(layout);
  makePrivateFolder(layout.dir);
  return asOnlyWriter(layout, async () => {
    for (const [file, , work] of due) if (file !== join(layout.root, ".gitignore")) await work();
    if (copied !== undefined) await copyStackFile(layout, copied, layout, host);
    const given = withoutUndefined(settings);
    const overwrite = copied === undefined ? [] : (Object.keys(given) as (keyof StackConfig)[]);
    const added = await addToStackFile(layout, host, given, overwrite);
    return added.length > 0 || copied !== undefined ? [...files, `stacks/Pulumi.${host}.yaml`] : files;
  });
}

/** The host whose stack file is copied. @throws SettingsError for one that is not there, and for a host that has its own file */
function copiedHost({ layout, host, like }: ScaffoldRequest): string | undefined {
  const problem = (rest: Objection) => new SettingsError([{ subject: "the command line", setting: "--like", ...rest }]);
  const exists = existsSync(hostLayoutOf(layout, host).stackFile);
  if (like === undefined) return exists || !hasExample(layout) ? undefined : exampleHost;
  const known = [...listStackFiles(layout), ...(hasExample(layout) ? [exampleHost] : [])];
  if (!known.includes(like)) {
    const found = known.length === 0 ? "there is none" : `there are ${known.join(", ")}`;
    throw problem({
      code: "no-such-host",
      problem: `${quoted(like)} has no stack file${didYouMean(like, known)}; ${found}.`,
    });
  }
  if (!exists) return like;
  throw problem({
    code: "file-in-the-way",
    problem: `stacks/Pulumi.${host}.yaml exists and is kept, so nothing is copied to it.`,
    fix: "Omit --like, or edit the file.",
  });
}

/** As the stack file has it, since both files have to say the same. */
function declared(layout: Layout, host: string, key: "serverType" | "flakeHost"): string | undefined {
  const value = hostName.safeParse(host).success ? readRawStackFile(layout, host)[key] : undefined;
  return typeof value === "string" ? value : undefined;
}

/** stack.json with the host added. @returns undefined if it already has the host @throws SettingsError if settings are missing */
function nextStackJson({ layout, host, entry, flake }: ScaffoldRequest): StackJson | undefined {
  const { value, problems } = readStackJson(layout);
  if (problems.length > 0) throw new SettingsError(problems);
  if (value && hostEntry(value, host)) return undefined;
  const next = {
    ...(value ?? { $schema: "./dist/stack.schema.json", schemaVersion: 3, envFile: ".env" }),
    ...(flake !== undefined && !value?.base && { base: { flake } }),
    hosts: { ...value?.hosts, [host]: newEntry(host, declared(layout, host, "flakeHost") ?? host, entry) },
  };
  const checked = checkEntry(next, host);
  if (checked.length > 0) throw new SettingsError(checked);
  return next as StackJson;
}

function newEntry(
  host: string,
  flakeHost: string,
  { adminCidr, sshPubkeyFile, serverType }: ScaffoldRequest["entry"],
): { [Key in keyof StackHost]?: object | string } {
  return {
    flakeHost,
    hetzner: { serverType },
    opentofu: { adminCidr, sshPubkeyFile },
    secrets: { localDir: `secrets/hosts/${host}`, remoteDir: `/var/lib/clawdlets/secrets/hosts/${host}` },
  };
}

/** JSON omits undefined options, so validation reports them as missing. */
function checkEntry(next: unknown, host: string): Problem[] {
  const name = hostName.safeParse(host);
  if (!name.success) {
    const allowed = name.error.issues.map(({ message }) => message).join("; ");
    return [
      {
        code: "invalid-value",
        subject: "--host",
        setting: "host",
        problem: `"${host}" is not a host name; ${allowed}.`,
      },
    ];
  }
  const options = { adminCidr: "--admin-cidr", sshPubkeyFile: "--ssh-pubkey", serverType: "--server-type" } as const;
  const problems = parseStackJson(JSON.stringify(next), "stack.json").problems;
  return problems.map((problem) => {
    const key = problem.setting?.split(".").at(-1) as keyof typeof options;
    if (!(key in options)) return problem;
    return { ...problem, subject: "the command line", setting: options[key] };
  });
}

/** Works without git, by the lines of .gitignore. `checkLocalFolder` later asks git itself, before any secret is written. */
function isIgnored(layout: Layout): boolean {
  const file = join(layout.root, ".gitignore");
  const lines = existsSync(file) ? readFileSync(file, "utf8").split(/\r?\n/) : [];
  return lines.some((line) => /^\/?\.clawdlets\/?\s*$/.test(line));
}

/** Core dumps, but not a folder called core. */
const coreFiles = "core\n!core/\ncore.[0-9]*\n";

async function addIgnoreLine(layout: Layout): Promise<void> {
  const file = join(layout.root, ".gitignore");
  const before = existsSync(file) ? readFileSync(file, "utf8") : "";
  const gap = before === "" || before.endsWith("\n") ? "" : "\n";
  // A project without a .gitignore would also commit its packages and the engine (over 1 GB). No trailing slash: either may be a link.
  const more = before === "" ? "\nnode_modules\n.toolchain\n" : "";
  await writePublicFile(
    file,
    `${before}${gap}# Local state and secrets: never in git\n${ignoreLine}\n${coreFiles}${more}`,
  );
}

const envFile = (layout: Layout) => join(layout.dir, readStackJson(layout).value?.envFile ?? ".env");
const schemaFile = (layout: Layout) => join(layout.dir, "dist", "stack.schema.json");
const isStale = (layout: Layout) => readPublicFile(schemaFile(layout)) !== json(stackJsonSchema());
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function withoutUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Partial<T>;
}
