import { SettingsError } from "../../core/base/errors.ts";
import { type Created, createRepository } from "../../core/tasks/new/create.ts";
import { planNew } from "../../core/tasks/new/plan.ts";

export interface TemplateRequest {
  /** The folder to make: new or empty, outside of other repositories. */
  dir: string;
  /** A packed build in place of the version that npm has. */
  package?: string | undefined;
  /** Where others get the NixOS modules. @default this clone's origin and commit */
  flake?: string | undefined;
  /** Run `npm install`, so that the template pins every package. @default true */
  install?: boolean | undefined;
  tell: (text: string) => void;
  signal: AbortSignal;
}

/** The project's name in the template, in package.json and Pulumi.yaml. It may be kept. */
export const templateName = "my-bots";

/**
 * Makes the template repository: the files of `clawdlets new`, and a README that begins with what to do in a repository made from it.
 * @throws SettingsError where the folder is in use, or the flake is a folder of this machine
 */
export async function makeTemplate(request: TemplateRequest): Promise<Created & { folder: string; files: string[] }> {
  const { tell, signal, ...options } = request;
  const { place, files, packageFile, flake, make } = await planNew({ ...options, name: templateName }, process.cwd());
  if (!/^(github:|gitlab:|git\+(https|ssh):|https:)/.test(flake) || flake.includes("CHANGE_ME"))
    throw new SettingsError([
      {
        code: "invalid-value",
        subject: "the template",
        setting: "--flake",
        problem: `would be ${flake}, which nobody else can reach.`,
        fix: "Pass --flake github:owner/repo/commit, or give this clone an origin that others can reach.",
      },
    ]);
  const readme = templateReadme(files.get("README.md") ?? "");
  const created = await createRepository({
    place,
    files: new Map([...files, ["README.md", readme]]),
    packageFile,
    install: options.install ?? true,
    message: "Make the template",
    tell,
    signal,
  });
  return { ...created, folder: place.folder, files: make };
}

/** The README of `clawdlets new` with the first steps before its commands. @throws Error where it begins differently */
export function templateReadme(text: string): string {
  const head = /^# .+\n\n.+\n\n/.exec(text)?.[0];
  if (head === undefined) throw new Error("the README of clawdlets new does not begin with a title and a paragraph");
  return head + firstSteps + text.slice(head.length);
}

const firstSteps = `## First steps

This is a template: it contains no secret, no key and no host of anybody's.

1. On GitHub, click **Use this template** and **Create a new repository**. Choose **Private**: stack files name your networks.
2. Clone the new repository, and follow the commands below. The state of your hosts has the project's name, which is \`${templateName}\`
   in \`package.json\` and \`Pulumi.yaml\`: change it in both now, or keep it.
3. Under **Settings**, **Actions**, **General**, allow GitHub Actions to create pull requests: the weekly update opens one.

## Commands

`;
