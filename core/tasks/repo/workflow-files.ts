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

/**
 * CI files for a repository of hosts: previews, the secret scan and its rules, updates of packages.
 * @param weeklyUpdates also a workflow that proposes newer inputs of the flake once a week
 */
export function workflowFiles({ weeklyUpdates }: { weeklyUpdates: boolean }): RepositoryFile[] {
  const template = (name: string) => join(here, "workflows", name);
  return [
    from(".github/workflows/preview.yml", template("preview.yml")),
    from(".github/workflows/secret-scan.yml", template("secret-scan.yml")),
    from(".github/dependabot.yml", template("dependabot.yml")),
    from(".gitleaks.toml", resolve(here, "../../../.gitleaks.toml")),
    ...(weeklyUpdates ? [from(".github/workflows/update.yml", template("update.yml"))] : []),
  ];
}

/** The files that a repository does not have yet; none without git, since there is nothing for CI to run on. */
export function missingWorkflowFiles(root: string, weeklyUpdates = false): RepositoryFile[] {
  if (!existsSync(join(root, ".git"))) return [];
  return workflowFiles({ weeklyUpdates }).filter(({ path }) => !existsSync(join(root, path)));
}
