import { credentialProblem } from "../../base/credentials.ts";
import type { Problem } from "../../base/problem.ts";
import { quoted } from "../../base/wording.ts";
import { flakeOfOrigin } from "../../host/flake/flake.ts";

/** Where the new repository will be: what git pushes to, and what Nix fetches. */
export interface OwnRepository {
  /** For `git remote add origin`. */
  remote: string;
  /** E.g. `github:me/my-bots`, as `clawdlets:flake` and `flakeBase` take it. */
  flake: string;
}

const allowed =
  "github:owner/repo, https://…, ssh://… or git@host:owner/repo, also with git+, without a branch or commit";
const host = "[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?";
const path = "[A-Za-z0-9_.~][A-Za-z0-9_.~/-]*";
const forms = [
  new RegExp(`^https://${host}(?::\\d{1,5})?/${path}$`),
  new RegExp(`^ssh://[a-z_][a-z0-9_-]{0,31}@${host}(?::\\d{1,5})?/${path}$`),
  new RegExp(`^[a-z_][a-z0-9_-]{0,31}@${host}:${path}$`),
];

/**
 * Reads `--repository`: a remote as git takes it, or the same place as a flake.
 * @returns problems instead, for one that only this machine reaches, that has a password in it, or that names a branch
 */
export function ownRepository(given: string): { value?: OwnRepository; problems: Problem[] } {
  const refuse = (problem: string) => ({
    problems: [{ code: "invalid-value", subject: "the command line", setting: "--repository", problem } as const],
  });
  const credentials = credentialProblem(given);
  if (credentials !== undefined) return refuse(`${credentials}.`);
  const [, github] = /^github:([\w.-]+\/[\w.-]+)$/.exec(given) ?? [];
  const remote = github === undefined ? given.replace(/^git\+(?=https:|ssh:)/, "") : `https://github.com/${github}.git`;
  const flake = forms.some((form) => form.test(remote)) ? flakeOfOrigin(remote) : undefined;
  if (flake === undefined || /(?:^|\/)\.{1,2}(?:\/|$)/.test(remote)) {
    return refuse(`is ${quoted(given)}; allowed: ${allowed}.`);
  }
  return { value: { remote, flake }, problems: [] };
}
