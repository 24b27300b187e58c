import { readFileSync } from "node:fs";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import type { Environment } from "../../core/base/machine/environment.ts";
import { quoted } from "../../core/base/wording.ts";

/** A CI system: how to know it, and what may start a job that has credentials and runs the checkout's program. */
interface CiSystem {
  name: string;
  isHere: (environment: Environment) => boolean;
  event: string;
  /** Started by someone with write access to the repository, on its own contents. */
  allowed: readonly string[];
  /** Allowed only from a branch of the same repository. */
  fromBranch: { event: string; isOwn: (environment: Environment) => boolean };
}

/** Gitea and Forgejo set GitHub's variables as well. */
const github: CiSystem = {
  name: "GitHub Actions",
  isHere: ({ GITHUB_ACTIONS, GITHUB_EVENT_NAME }) => isSet(GITHUB_ACTIONS) || GITHUB_EVENT_NAME !== undefined,
  event: "GITHUB_EVENT_NAME",
  allowed: ["push", "schedule", "workflow_dispatch", "merge_group"],
  fromBranch: { event: "pull_request", isOwn: comesFromHere },
};

const gitlab: CiSystem = {
  name: "GitLab CI",
  isHere: ({ GITLAB_CI, CI_PIPELINE_SOURCE }) => isSet(GITLAB_CI) || CI_PIPELINE_SOURCE !== undefined,
  event: "CI_PIPELINE_SOURCE",
  allowed: ["push", "schedule", "web"],
  fromBranch: {
    event: "merge_request_event",
    isOwn: ({ CI_MERGE_REQUEST_SOURCE_PROJECT_ID: source, CI_MERGE_REQUEST_PROJECT_ID: target }) =>
      isSet(source) && source === target,
  },
};

const systems = [github, gitlab];

/**
 * Refuses to run the checkout's program with credentials unless this is not a CI job, or a job that was started by an event on the
 * list. A list of bad events would have to be complete: `issue_comment` and `repository_dispatch` hand out credentials, too.
 * @throws UserError with the event and what is allowed
 */
export function refuseForeignCode(environment: Environment): void {
  const system = systems.find(({ isHere }) => isHere(environment));
  if (!system) {
    if (!isSet(environment["CI"])) return;
    throw refusal(
      `CI is ${quoted(environment["CI"])}, and we can only tell which event started this job on ${systems.map(({ name }) => name).join(" and ")}`,
      "If only reviewed branches run here, unset CI for this command.",
    );
  }
  const { name, event, allowed, fromBranch } = system;
  const given = environment[event];
  if (given !== undefined && allowed.includes(given)) return;
  if (given === fromBranch.event && fromBranch.isOwn(environment)) return;
  const what =
    given === fromBranch.event
      ? `this ${given} may not come from a branch of this repository`
      : `${event} is ${given === undefined ? "not set" : quoted(given)}`;
  throw refusal(
    `${what} (${name})`,
    `Allowed: ${allowed.join(", ")}, and ${fromBranch.event} from a branch of the same repository.`,
  );
}

const refusal = (what: string, allowed: string) =>
  new UserError(
    `--state runs the checkout's program with credentials within its reach, and ${what}. ${allowed} Without --state it needs no secrets.`,
    { exitCode: exitCodes.usage },
  );

const isSet = (value: string | undefined) => value !== undefined && value !== "" && value !== "false" && value !== "0";

function comesFromHere({ GITHUB_EVENT_PATH: path }: Environment): boolean {
  const { head, base } = pullRequestIn(path);
  return typeof head === "string" && head !== "" && head === base;
}

/** The full names of both repositories; nothing where the file does not say. */
function pullRequestIn(path: string | undefined): { head?: unknown; base?: unknown } {
  if (path === undefined) return {};
  try {
    const { pull_request } = JSON.parse(readFileSync(path, "utf8"));
    return { head: pull_request.head.repo.full_name, base: pull_request.base.repo.full_name };
  } catch {
    return {}; // Missing, cut off, or of another shape: not shown to come from here.
  }
}
