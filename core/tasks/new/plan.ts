import { basename, resolve } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { packageRoot } from "../../base/machine/package-root.ts";
import type { Problem } from "../../base/problem.ts";
import { quoted } from "../../base/wording.ts";
import { layoutOf } from "../../project/layout.ts";
import { exampleHost } from "../../project/settings/example-stack.ts";
import type { StackConfig } from "../../project/settings/stack-config/stack-config.ts";
import { addToStackFile, copyStackFile } from "../../project/settings/stack-file.ts";
import { type Imported, importUpstream } from "../import-upstream/import.ts";
import { readUpstream } from "../import-upstream/read.ts";
import { isUnpublished, newFiles, packagePath, packagesOf } from "./files.ts";
import { type PackageFile, readPackageFile } from "./package-file.ts";
import { checkPlace, nameProblem, type Place } from "./place.ts";
import { type OwnRepository, ownRepository } from "./repository.ts";
import { flakeProblems, type NewOptions } from "./request.ts";
import { type FlakeSource, ownSource, unknownSource } from "./source.ts";

/** Everything that is known of a new repository before anything is written. */
export interface NewPlan {
  place: Place;
  files: Map<string, string>;
  packageFile: PackageFile | undefined;
  flake: string;
  repository: OwnRepository | undefined;
  imported: Imported | undefined;
  /** Writes the stack files of imported hosts. */
  complete: (folder: string) => Promise<void>;
  /** Every file, sorted. */
  make: string[];
  notes: string[];
}

/**
 * Plans a repository. Changes nothing.
 * @param from what relative paths are relative to
 * @throws SettingsError with everything that is in the way
 */
export async function planNew(
  { dir = "", name, flake, repository: named, package: file, from: upstream, install = true }: NewOptions,
  from: string,
): Promise<NewPlan> {
  const place = checkPlace(dir, from);
  const repository = named === undefined ? undefined : ownRepository(named);
  const problems = [
    ...place.problems,
    ...(repository?.problems ?? []),
    ...nameProblems(place.value?.folder ?? resolve(from, dir), name),
    ...(flake === undefined ? [] : flakeProblems(flake)),
    ...(install && file === undefined && isUnpublished() ? [unpublished] : []),
  ];
  if (problems.length > 0 || !place.value) throw new SettingsError(problems);
  const packageFile = file === undefined ? undefined : await readPackageFile(resolve(from, file));
  const imported = upstream === undefined ? undefined : importUpstream(readUpstream(resolve(from, upstream)));
  const source = flake === undefined ? await ownSource() : { url: flake };
  const files = newFiles(name ?? basename(place.value.folder), source, {
    packageFile,
    repository: repository?.value?.flake,
  });
  for (const [path, text] of imported?.files ?? []) files.set(path, text);
  const stacks = [...(imported?.hosts.keys() ?? [])].map((host) => `stacks/Pulumi.${host}.yaml`);
  return {
    place: place.value,
    files,
    packageFile,
    flake: source.url,
    repository: repository?.value,
    imported,
    complete: (folder) => writeStacks(imported, folder),
    make: [...files.keys(), ...stacks, ...(packageFile ? [packagePath(packageFile)] : [])].sort(),
    notes: [...notesOn(source), ...(imported?.notes ?? [])],
  };
}

const unpublished: Problem = {
  code: "missing-setting",
  subject: "the command line",
  setting: "--package",
  problem: "missing; this is a development version, which npm does not have.",
  fix: "Pass the file that npm run build && npm pack made in its clone, or pass --no-install.",
};

/** Of the project, which has the folder's name unless it is given. @param folder absolute */
export function nameProblems(folder: string, name?: string): Problem[] {
  const used = name ?? basename(folder);
  const { dependencies, devDependencies } = packagesOf();
  const problem = nameProblem(used, Object.keys({ ...dependencies, ...devDependencies }));
  if (problem === undefined) return [];
  return [
    {
      code: "invalid-value",
      subject: "the command line",
      setting: name === undefined ? "dir" : "--name",
      problem: `${quoted(used)} cannot be the project's name; ${problem}.`,
      ...(name === undefined && { fix: "Name the project with --name, or choose another folder." }),
    },
  ];
}

/** Without keys, which `init` makes: until then, the hosts are refused as the example is. */
async function writeStacks(imported: Imported | undefined, folder: string): Promise<void> {
  const layout = layoutOf(folder);
  for (const [host, settings] of imported?.hosts ?? []) {
    await copyStackFile(layoutOf(packageRoot), exampleHost, layout, host);
    await addToStackFile(layout, host, settings, Object.keys(settings) as (keyof StackConfig)[]);
  }
}

function notesOn({ url, lock }: FlakeSource): string[] {
  if (url === unknownSource) {
    return ["this build does not know its repository: set inputs.clawdlets.url in flake.nix, then nix flake lock"];
  }
  if (!lock) return ["flake.lock is not made yet: nix flake lock"];
  if (!url.startsWith("git+file:")) return [];
  return [
    "flake.nix names a folder of this machine: set inputs.clawdlets.url to a place that others reach, then nix flake lock",
  ];
}
