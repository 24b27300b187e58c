import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../../base/machine/package-root.ts";
import { workflowFiles } from "../repo/workflow-files.ts";
import type { PackageFile } from "./package-file.ts";
import { type FlakeSource, flakeLock, unknownSource } from "./source.ts";

const template = join(dirname(fileURLToPath(import.meta.url)), "template");

/** npm leaves files of some names out of a package, and our own compiler takes those of others. */
const stored: Readonly<Record<string, string>> = { _gitignore: ".gitignore", _npmrc: ".npmrc", _index: "index.ts" };

const own = (path: string) => readFileSync(join(packageRoot, path), "utf8");

interface Manifest {
  private?: boolean;
  version: string;
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
}

/** What a project's package.json needs, each at the version that this one was tested with. */
export function packagesOf(packageFile?: PackageFile): {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
} {
  const { version, dependencies, peerDependencies }: Manifest = JSON.parse(own("package.json"));
  const pulumi = peerDependencies["@pulumi/pulumi"]?.replace(/^\^/, "") ?? "";
  const infra = packageFile ? `file:${packagePath(packageFile)}` : version;
  return {
    dependencies: { "@clawdlets/infra": infra, "@pulumi/pulumi": pulumi },
    devDependencies: { tsx: dependencies["tsx"] ?? "" },
  };
}

/** Whether this version is not on npm: a release is packed without "private". */
export const isUnpublished = (): boolean => (JSON.parse(own("package.json")) as Manifest).private === true;

/** A packed build's place in the repository. */
export const packagePath = ({ version }: PackageFile) => `vendor/clawdlets-infra-${version}.tgz`;

interface More {
  packageFile?: PackageFile | undefined;
  /** Flake of the new repository itself. */
  repository?: string | undefined;
}

/** As the README has it, of a repository whose place is not known. */
const somewhere = "github:you/my-bots";

/** The text of every file of a new repository, by its path there. */
export function newFiles(
  name: string,
  flake: FlakeSource,
  { packageFile, repository }: More = {},
): Map<string, string> {
  const manifest = {
    name,
    private: true,
    type: "module",
    engines: { node: ">=20.19" },
    scripts: { clawdlets: "clawdlets" },
    ...packagesOf(packageFile),
  };
  const lock = flakeLock(own("flake.lock"), flake);
  return new Map([
    ...templateFiles().map(
      ([path, text]) =>
        [path, text.replaceAll("__NAME__", name).replaceAll(somewhere, repository ?? somewhere)] as const,
    ),
    ["package.json", `${JSON.stringify(manifest, null, 2)}\n`],
    ["flake.nix", own("nix/template/flake.nix").replace(unknownSource, flake.url)],
    ...(lock === undefined ? [] : [["flake.lock", lock] as const]),
    ["stacks/Pulumi.example.yaml", own("stacks/Pulumi.example.yaml")],
    ...workflowFiles({ weeklyUpdates: true }).map(({ path, text }) => [path, text] as const),
  ]);
}

function templateFiles(): [path: string, text: string][] {
  const names = readdirSync(template, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => statSync(join(template, name)).isFile());
  return files.map((file) => [stored[file] ?? file, readFileSync(join(template, file), "utf8")]);
}
