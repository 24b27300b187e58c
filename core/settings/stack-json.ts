import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { z } from "zod";
import { messageOf, type Problem } from "../errors.ts";
import type { Layout } from "../local/layout.ts";
import { cidrProblem, isWorldOpen } from "./cidr.ts";
import { hostName } from "./names.ts";
import { problemsOf } from "./problems.ts";

const text = (allowed: string) => z.string(`allowed: ${allowed}`).trim().min(1, `allowed: ${allowed}`);

const adminCidr = text("your own network, e.g. 203.0.113.7/32").superRefine((value, context) => {
  const problem =
    cidrProblem(value) ??
    (isWorldOpen([value]) ? "it covers the whole internet; give your own address, e.g. 203.0.113.7/32" : undefined);
  if (problem) context.addIssue({ code: "custom", message: problem });
});

const host = z.strictObject({
  /** The nixosConfigurations attribute. */
  flakeHost: text("a nixosConfigurations attribute of the flake"),
  /** An ssh destination the operator uses once the host is up. */
  targetHost: text("an ssh destination such as admin@100.64.0.7").optional(),
  hetzner: z.strictObject({ serverType: text("a Hetzner server type, e.g. cx43") }),
  /** Named after the tool upstream used; the values are as true for Pulumi. */
  opentofu: z.strictObject({
    adminCidr,
    sshPubkeyFile: text("the path of an OpenSSH public key file, e.g. ~/.ssh/id_ed25519.pub"),
  }),
  secrets: z.strictObject({
    localDir: text("a folder relative to .clawdlets, e.g. secrets/hosts/web-1"),
    remoteDir: text("an absolute path on the host").regex(
      /^\/[A-Za-z0-9._/-]+$/,
      "allowed: an absolute path on the host",
    ),
  }),
});

/**
 * `.clawdlets/stack.json` as upstream's schema version 3 has it, read unchanged.
 * @see regenrek/clawdlets b49d4af, docs/stack.md
 */
export const stackJson = z.strictObject({
  $schema: z.string().optional(),
  schemaVersion: z.literal(3, "allowed: 3 (versions 1 and 2 are older clawdlets files)"),
  base: z.strictObject({ flake: text("a flake URI, e.g. github:you/hosts").optional() }).optional(),
  envFile: text("a file relative to .clawdlets, e.g. .env").optional(),
  hosts: z
    .record(hostName, host, "allowed: an object with one entry a host")
    .refine((hosts) => Object.keys(hosts).length > 0, "allowed: at least one host"),
});

export type StackJson = z.infer<typeof stackJson>;
export type StackHost = z.infer<typeof host>;

const known = [
  ...Object.keys(stackJson.shape),
  ...Object.keys(host.shape),
  ...["flake", "serverType", "adminCidr", "sshPubkeyFile", "localDir", "remoteDir"],
];

/** Reads the file; `undefined` with no problem when there is none (CI has none). */
export function readStackJson(layout: Layout): { value?: StackJson; problems: Problem[] } {
  if (!existsSync(layout.stackJson)) return { problems: [] };
  const where = relative(layout.root, layout.stackJson);
  let input: unknown;
  try {
    input = JSON.parse(readFileSync(layout.stackJson, "utf8"));
  } catch (error) {
    return { problems: [{ where, setting: "(the whole file)", message: `not JSON: ${messageOf(error)}` }] };
  }
  const parsed = stackJson.safeParse(input);
  return parsed.success
    ? { value: parsed.data, problems: [] }
    : { problems: problemsOf(parsed.error, input, { where, known }) };
}
