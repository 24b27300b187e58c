import { z } from "zod";
import { SettingsError } from "../../base/errors.ts";
import type { Problem } from "../../base/problem.ts";
import { problemsOf } from "../../base/problems.ts";
import { parseJsonText } from "../../base/text/json-text.ts";
import { quoted } from "../../base/wording.ts";
import { stackConfig } from "../../project/settings/stack-config/stack-config.ts";

const text = z.string("allowed: text").min(1, "allowed: text that is not empty");

/** What `new` may be told, by option or as JSON. */
const newOptions = z.strictObject({
  /** The new folder. */
  dir: text.optional(),
  /** In Pulumi.yaml and package.json. @default the folder's name */
  name: text.optional(),
  /** The NixOS modules, as an input of the new flake. @default this version's own repository and commit */
  flake: text.optional(),
  /** Where the new repository will be, as a git remote or a flake. */
  repository: text.optional(),
  /** A packed build in place of the version that npm has. */
  package: text.optional(),
  /** A project of upstream's whose settings are carried over. */
  from: text.optional(),
  install: z.boolean("allowed: true or false").optional(),
});

export type NewOptions = z.infer<typeof newOptions>;

/** @throws SettingsError for text that is not an object of these options */
export function parseNewOptions(given: string, where: string): NewOptions {
  const { value, problems } = parseJsonText(given, where);
  if (problems.length > 0) throw new SettingsError(problems);
  const parsed = newOptions.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new SettingsError(problemsOf(parsed.error, value, { where, known: Object.keys(newOptions.shape) }));
}

/** A flake URI as the stack file takes them. A folder would be another one on every machine. */
export function flakeProblems(flake: string): Problem[] {
  const problem = (text: string): Problem => ({
    code: "invalid-value",
    subject: "the command line",
    setting: "--flake",
    problem: text,
  });
  const { error } = stackConfig.shape.flake.safeParse(flake);
  if (error) return error.issues.map(({ message }) => problem(`${message}.`));
  // Written into a Nix string.
  if (/^(github:|gitlab:|git\+|https:)[\w.~%+,=@:/?&-]+$/.test(flake)) return [];
  return [
    problem(`is ${quoted(flake)}; allowed: github:owner/repo, git+https://…, git+ssh://… or git+file:///…, without #.`),
  ];
}
