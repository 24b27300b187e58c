import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** A file for an operator's own repository. */
export interface RepositoryFile {
  /** Relative to the repository. */
  path: string;
  text: string;
}

const here = dirname(fileURLToPath(import.meta.url));
const from = (path: string, source: string): RepositoryFile => ({ path, text: readFileSync(source, "utf8") });

/** CI files for a repository of hosts: previews, the secret scan and its rules, updates of packages and of the flake. */
export function workflowFiles(): RepositoryFile[] {
  const template = (name: string) => join(here, "workflows", name);
  return [
    from(".github/workflows/preview.yml", template("preview.yml")),
    from(".github/workflows/secret-scan.yml", template("secret-scan.yml")),
    from(".github/workflows/flake-update.yml", template("flake-update.yml")),
    from(".github/dependabot.yml", template("dependabot.yml")),
    from(".gitleaks.toml", resolve(here, "../../../.gitleaks.toml")),
  ];
}

/** The files that a repository does not have yet; none without git, and no update of a flake that is not there. */
export function missingWorkflowFiles(root: string): RepositoryFile[] {
  if (!existsSync(join(root, ".git"))) return [];
  const isIdle = (path: string) => path.endsWith("/flake-update.yml") && !existsSync(join(root, "flake.nix"));
  return workflowFiles().filter(({ path }) => !existsSync(join(root, path)) && !isIdle(path));
}
