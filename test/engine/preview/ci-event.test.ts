import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../../../core/base/errors.ts";
import { refuseForeignCode } from "../../../engine/preview/ci-event.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-event-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const eventFile = (content: unknown) => {
  const file = join(mkdtempSync(join(folder, "event-")), "event.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
};
const pullRequest = (head: unknown, base = "us/hosts") =>
  eventFile({ pull_request: { head: { repo: head }, base: { repo: { full_name: base } } } });

/** @see https://docs.github.com/actions/reference/events-that-trigger-workflows */
const githubEvents = [
  ...["branch_protection_rule", "check_run", "check_suite", "create", "delete", "deployment", "deployment_status"],
  ...["discussion", "discussion_comment", "fork", "gollum", "image_version", "issue_comment", "issues", "label"],
  ...["merge_group", "milestone", "page_build", "public", "pull_request", "pull_request_review"],
  ...["pull_request_review_comment", "pull_request_target", "push", "registry_package", "release"],
  ...["repository_dispatch", "schedule", "status", "watch", "workflow_call", "workflow_dispatch", "workflow_run"],
];
const allowed = ["merge_group", "push", "schedule", "workflow_dispatch"];

test("of GitHub's events four may have credentials, and the refusal names the event and those four", () => {
  const accepted = githubEvents.filter((event) => {
    try {
      // An event file that claims to be our own helps none of the others.
      const environment = { GITHUB_ACTIONS: "true", GITHUB_EVENT_NAME: event, GITHUB_EVENT_PATH: pullRequest("x") };
      refuseForeignCode(environment);
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      expect(String(error)).toContain(event);
      for (const each of allowed) expect(String(error)).toContain(each);
      return false;
    }
  });
  expect(accepted).toEqual(allowed);
});

describe("refused", () => {
  const own = () => pullRequest({ full_name: "us/hosts" });
  test.each<[string, () => Record<string, string>]>([
    ["an event of tomorrow", () => ({ GITHUB_EVENT_NAME: "agent_request" })],
    ["an event in capitals", () => ({ GITHUB_EVENT_NAME: "Push" })],
    ["an empty event", () => ({ GITHUB_EVENT_NAME: "" })],
    ["no event", () => ({ GITHUB_ACTIONS: "true" })],
    [
      "pull_request_target from our own branch",
      () => ({ GITHUB_EVENT_NAME: "pull_request_target", GITHUB_EVENT_PATH: own() }),
    ],
    [
      "issue_comment with a file of a pull request",
      () => ({ GITHUB_EVENT_NAME: "issue_comment", GITHUB_EVENT_PATH: own() }),
    ],
    [
      "a fork's pull request",
      () => ({ GITHUB_EVENT_NAME: "pull_request", GITHUB_EVENT_PATH: pullRequest({ full_name: "them/hosts" }) }),
    ],
    [
      "a pull request of a deleted fork",
      () => ({ GITHUB_EVENT_NAME: "pull_request", GITHUB_EVENT_PATH: pullRequest(null) }),
    ],
    [
      "two missing names",
      () => ({
        GITHUB_EVENT_NAME: "pull_request",
        GITHUB_EVENT_PATH: eventFile({ pull_request: { head: { repo: {} }, base: { repo: {} } } }),
      }),
    ],
    ["no event file", () => ({ GITHUB_EVENT_NAME: "pull_request" })],
    [
      "an event file that is cut off",
      () => ({ GITHUB_EVENT_NAME: "pull_request", GITHUB_EVENT_PATH: eventFile('{"pull') }),
    ],
    [
      "a fork's merge request",
      () => ({
        GITLAB_CI: "true",
        CI_PIPELINE_SOURCE: "merge_request_event",
        CI_MERGE_REQUEST_SOURCE_PROJECT_ID: "2",
        CI_MERGE_REQUEST_PROJECT_ID: "1",
      }),
    ],
    ["a merge request that does not say", () => ({ GITLAB_CI: "true", CI_PIPELINE_SOURCE: "merge_request_event" })],
    ["an external pull request", () => ({ GITLAB_CI: "true", CI_PIPELINE_SOURCE: "external_pull_request_event" })],
    ["GitLab's trigger", () => ({ GITLAB_CI: "true", CI_PIPELINE_SOURCE: "trigger" })],
    ["another CI system", () => ({ CI: "true" })],
  ])("%s", (_, environment) => {
    expect(() => refuseForeignCode(environment())).toThrow(UserError);
  });
});

describe("allowed", () => {
  test.each<[string, () => Record<string, string>]>([
    ["a person's shell", () => ({})],
    ["CI set to false", () => ({ CI: "false" })],
    [
      "a pull request from a branch of the repository",
      () => ({ GITHUB_EVENT_NAME: "pull_request", GITHUB_EVENT_PATH: pullRequest({ full_name: "us/hosts" }) }),
    ],
    ["GitLab's push", () => ({ CI: "true", GITLAB_CI: "true", CI_PIPELINE_SOURCE: "push" })],
    [
      "a merge request from a branch of the project",
      () => ({
        CI_PIPELINE_SOURCE: "merge_request_event",
        CI_MERGE_REQUEST_SOURCE_PROJECT_ID: "1",
        CI_MERGE_REQUEST_PROJECT_ID: "1",
      }),
    ],
  ])("%s", (_, environment) => {
    expect(() => refuseForeignCode({ ...environment() })).not.toThrow();
  });
});
