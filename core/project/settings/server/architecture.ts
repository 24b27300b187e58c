import type { Problem } from "../../../base/problem.ts";

/** As Hetzner's API names them. */
export type Architecture = "x86" | "arm";

/** Of a server type: Hetzner's ARM types are the CAX ones. nix/lib/stacks.nix chooses a host's system by the same rule. */
export const architectureOf = (serverType: string): Architecture => (serverType.startsWith("cax") ? "arm" : "x86");

/** The system that the flake has to build for a server type. */
export const nixSystemOf = (serverType: string): string =>
  ({ x86: "x86_64-linux", arm: "aarch64-linux" })[architectureOf(serverType)];

/** Names of the other architecture in the file names of installers. */
const foreign = { x86: /aarch64|arm64/, arm: /x86_64|amd64/ } as const;

/** Settings for both architectures at once: a host has one image, one installer and one system. */
export function architectureProblems(
  {
    serverType,
    serverTypes,
    install,
  }: { serverType: string; serverTypes: readonly string[]; install: { kexec?: string | undefined } },
  where: string,
): Problem[] {
  const architecture = architectureOf(serverType);
  const others = serverTypes.filter((type) => architectureOf(type) !== architecture);
  const { kexec = "" } = install;
  const file = kexec.split("/").at(-1) ?? "";
  return [
    ...others.map(
      (type): Problem => ({
        code: "type-unsuitable",
        subject: where,
        setting: `clawdlets:serverTypes.${serverTypes.indexOf(type)}`,
        problem: `is "${type}", which is ${architectureOf(type)}, but serverType "${serverType}" is ${architecture}. A host has one system.`,
        fix: "Use types of one architecture: CAX types are arm, all others x86.",
      }),
    ),
    ...(foreign[architecture].test(file)
      ? [
          {
            code: "type-unsuitable" as const,
            subject: where,
            setting: "clawdlets:install.kexec",
            problem: `is ${file}, by its name an installer for another architecture than ${architecture}, which serverType "${serverType}" is.`,
            fix: "Use the installer for that architecture, or remove the setting.",
          },
        ]
      : []),
  ];
}
