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

/** CI files for a repository of hosts: previews, the secret scan and its rules, dependency updates. */
export function workflowFiles(): RepositoryFile[] {
  const template = (name: string) => join(here, "workflows", name);
  return [
    from(".github/workflows/preview.yml", template("preview.yml")),
    from(".github/workflows/secret-scan.yml", template("secret-scan.yml")),
    from(".github/dependabot.yml", template("dependabot.yml")),
    from(".gitleaks.toml", resolve(here, "../../../.gitleaks.toml")),
  ];
}

/** A pull request a week with newer inputs of the flake; only for those who ask for it. */
const updateFile = (): RepositoryFile => from(".github/workflows/update.yml", join(here, "workflows", "update.yml"));

/**
 * The files that a repository does not have yet; none without git, since there is nothing for CI to run on.
 * @param weeklyUpdates also the workflow that proposes newer inputs of the flake
 */
export function missingWorkflowFiles(root: string, weeklyUpdates = false): RepositoryFile[] {
  if (!existsSync(join(root, ".git"))) return [];
  const files = weeklyUpdates ? [...workflowFiles(), updateFile()] : workflowFiles();
  return files.filter(({ path }) => !existsSync(join(root, path)));
}
