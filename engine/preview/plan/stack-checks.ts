import { existsSync, lstatSync } from "node:fs";
import { relative } from "node:path";
import { readFolder } from "../../../core/base/machine/private-files.ts";
import type { Problem } from "../../../core/base/problem.ts";
import { readText } from "../../../core/base/text/read-text.ts";
import { readSecretSources } from "../../../core/host/delivery/upstream-secrets.ts";
import { hostLayoutOf, type Layout } from "../../../core/project/layout.ts";
import { criticalOf } from "../../../core/project/lint/lint.ts";
import { checkRecipients } from "../../../core/project/secrets/check.ts";
import { readRequiredSecrets } from "../../../core/project/secrets/required.ts";
import { secretKindsIn } from "../../../core/project/secrets/token-shapes.ts";
import { exampleHost, exampleKeyProblems, isExampleKey } from "../../../core/project/settings/example-stack.ts";
import { readLocal } from "../../../core/project/settings/host.ts";
import type { StackConfig } from "../../../core/project/settings/stack-config/stack-config.ts";
import { readStackFile } from "../../../core/project/settings/stack-file.ts";
import { settingLine } from "./locate.ts";

/** A problem and the line it is on. */
export type LocatedProblem = Problem & Required<Pick<Problem, "at">>;

/** What the files say of one host, before the engine is asked. */
export interface CheckedStack {
  host: string;
  /** Relative to the project. */
  file: string;
  value?: StackConfig;
  problems: LocatedProblem[];
}

/** Every stack there is a file for; two files may be for one. Sorted. */
export function stacksIn(layout: Layout): string[] {
  const names = readFolder(layout.stacks).flatMap((file) => stackNameOf(file) ?? []);
  return [...new Set(names)].sort();
}

const stackNameOf = (file: string) => /^Pulumi\.(.+)\.(?:ya?ml|json)$/.exec(file)?.[1];

/** Checks every stack on its own and against the others. Reads public facts only; nothing is run, and no key is needed. */
export function checkStacks(layout: Layout, hosts: readonly string[]): CheckedStack[] {
  const checked = stacksIn(layout).map((host) => checkOne(layout, host));
  for (const stack of checked) stack.problems.push(...doubles(layout, stack, checked));
  const missing = hosts.filter((host) => !checked.some((each) => each.host === host));
  return [...checked.filter(({ host }) => hosts.includes(host)), ...missing.map((host) => checkOne(layout, host))];
}

function checkOne(layout: Layout, host: string): CheckedStack {
  const path = hostLayoutOf(layout, host).stackFile;
  const file = relative(layout.root, path);
  // What a stranger's branch links to, say /proc/self/environ, must not end up in a message.
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) {
    return {
      host,
      file,
      problems: [
        {
          code: "link-leads-out",
          subject: file,
          problem: "is a link.",
          fix: "Put the file itself there.",
          at: { file, line: 1 },
        },
      ],
    };
  }
  const { text = "" } = readText(hostLayoutOf(layout, host).stackFile, file);
  const { value, problems } = readStackFile(layout, host);
  const all: Problem[] = [...problems, ...tokensIn(text, file), ...(value ? valueProblems(layout, host, value) : [])];
  const located = all.map((problem) => ({
    ...problem,
    at: problem.at ?? {
      file: problem.subject,
      line: problem.subject === file ? settingLine(text, problem.setting) : 1,
    },
  }));
  return { host, file, ...(value && { value }), problems: located };
}

/** Line by line, since whatever stands there is public: comments and other projects' settings, too. */
function tokensIn(text: string, file: string): LocatedProblem[] {
  return text.split("\n").flatMap((line, index) => {
    // Encrypted by the engine, or its salt.
    if (/^\s*(secure|encryptionsalt|encryptedkey):/.test(line)) return [];
    return secretKindsIn(line).map(
      (kind): LocatedProblem => ({
        code: "secret-in-public-file",
        subject: file,
        problem: `holds ${kind}, and this file is public.`,
        fix: "Remove it, from git's history too, and replace the secret: anyone may have read it.",
        at: { file, line: index + 1 },
      }),
    );
  });
}

/** The example may have the example's keys; a host that was copied from it and never finished is not ready for review. */
function valueProblems(layout: Layout, host: string, value: StackConfig): Problem[] {
  return [...(host === exampleHost ? [] : exampleKeyProblems(host, value)), ...secretProblems(layout, host, value)];
}

/** Of the bots' folders, which say what is needed; and, where `.clawdlets` is, which it is not in CI, whom ciphertexts are for. */
function secretProblems(layout: Layout, host: string, value: StackConfig): Problem[] {
  const { required: all, problems } = readRequiredSecrets(layout, value);
  if (!all) return problems;
  const unsafe = criticalOf(layout, value.bots);
  if (!existsSync(layout.dir)) return unsafe;
  const local = readLocal(layout, host, {}, value, { token: false });
  // What is wrong with the local half itself does not concern the repository.
  if (!local.value) return unsafe;
  const files = hostLayoutOf(layout, host);
  const required = readSecretSources(layout, files, local.value, all).local;
  const recipients = checkRecipients({
    layout,
    host: files,
    hostName: host,
    recipient: value.ageRecipient,
    secretsDir: local.value.secretsDir,
    required,
  });
  return [...unsafe, ...recipients];
}

/** What no two hosts may share: their name, however it is spelt, their place in the flake, and their keys. */
function doubles(layout: Layout, stack: CheckedStack, all: readonly CheckedStack[]): LocatedProblem[] {
  const problems: LocatedProblem[] = [];
  const files = readFolder(layout.stacks).filter(
    (each) => stackNameOf(each)?.toLowerCase() === stack.host.toLowerCase(),
  );
  const say = (setting: string | undefined, problem: string, fix: string) => {
    const { text = "" } = readText(hostLayoutOf(layout, stack.host).stackFile, stack.file);
    problems.push({
      code: "not-unique",
      subject: stack.file,
      ...(setting !== undefined && { setting }),
      at: { file: stack.file, line: settingLine(text, setting) },
      problem,
      fix,
    });
  };
  if (files.length > 1)
    say(undefined, `two hosts with one name: ${files.sort().join(" and ")}.`, "Rename one, or remove it.");
  const others = all.filter(({ host }) => host !== stack.host);
  const own = stack.value;
  if (!own) return problems;
  const same = (pick: (value: StackConfig, host: string) => string) =>
    others.filter(({ host, value }) => value && pick(value, host) === pick(own, stack.host)).map(({ host }) => host);
  const flakeHost = same((value, host) => `${value.flake ?? ""}#${value.flakeHost ?? host}`);
  if (flakeHost.length > 0)
    say(
      "clawdlets:flakeHost",
      `two hosts with one name: ${flakeHost.join(", ")} would be installed as "${own.flakeHost ?? stack.host}" as well.`,
      "Give each host its own.",
    );
  // Not of copies of the example, which have a problem of their own.
  const distinct = (key: string, host: string) => (isExampleKey(key) ? `of ${host}` : key);
  const recipient = same((value, host) => distinct(value.ageRecipient, host));
  if (recipient.length > 0)
    say(
      "clawdlets:ageRecipient",
      `is that of ${recipient.join(", ")} too: each could read the other's secrets.`,
      `Create one for this host: clawdlets secrets init --host ${stack.host}`,
    );
  const hostKey = same((value, host) => distinct(value.sshHostKey, host).split(" ")[1] ?? "");
  if (hostKey.length > 0)
    say(
      "clawdlets:sshHostKey",
      `is that of ${hostKey.join(", ")} too: each could impersonate the other.`,
      `Create one for this host: clawdlets secrets init --host ${stack.host}`,
    );
  return problems;
}
