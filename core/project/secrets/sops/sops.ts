import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { UserError } from "../../../base/errors.ts";
import { exitCodes } from "../../../base/exit-codes.ts";
import { cleanEnvironment } from "../../../base/machine/environment.ts";
import { readPublicFile } from "../../../base/machine/private-files.ts";
import { run } from "../../../base/machine/run.ts";

export interface EncryptRequest {
  /** File name without `.yaml`, and the key in the file. */
  name: string;
  value: string;
  /** The `.sops.yaml` whose first rule for `file` names the recipients; sops does not search for another. */
  config: string;
  /** Path of the result; the rules are matched against it. */
  file: string;
}

/**
 * Encrypts one secret with sops to the text of a file `{<name>: <value>}`. The value goes through a pipe, never through an
 * argument, the environment or a file. It is passed as JSON, where a string is always a string: as YAML, `no`, `0x1F` and
 * `- a` would depend on how two YAML libraries quote.
 * @throws UserError if sops refuses, or would leave the value readable
 */
export async function encryptSecret(sops: string, { name, value, config, file }: EncryptRequest): Promise<string> {
  const options = ["--config", config, "encrypt", "--input-type", "json", "--output-type", "yaml"];
  const { exitCode, stdout, stderr } = await run(sops, [...options, "--filename-override", file], {
    input: JSON.stringify({ [name]: value }),
    cwd: "/",
    env: environmentOf(),
    timeoutSeconds: 60,
  });
  if (exitCode !== 0) throw sopsError(`encrypt ${name} under the rules of ${config}`, stderr);
  // A rule can make sops leave values readable: `unencrypted_suffix` (`_unencrypted` by default) or `encrypted_regex`.
  const threshold = thresholdProblem(stdout);
  if (threshold !== undefined) {
    throw new UserError(
      {
        subject: "",
        problem: `${name} was not written: under the rule of ${config} for ${file} it ${threshold}.`,
        fix: "Put all recipients into one key group there.",
      },
      { exitCode: exitCodes.settings },
    );
  }
  const encrypted = z.record(z.string(), z.unknown()).safeParse(parse(stdout)).data?.[name];
  if (typeof encrypted === "string" && encrypted.startsWith("ENC[")) return stdout;
  throw new UserError(
    `sops left ${name} readable, so nothing was written: the rule of ${config} for ${file}, or the name itself, excludes it from encryption.`,
    { exitCode: exitCodes.settings },
  );
}

/**
 * Decrypts one secret's file with exactly one identity.
 * @throws UserError if the identity cannot decrypt it, the MAC is wrong, or the key in the file is not `name`
 */
export async function decryptSecret(
  sops: string,
  { file, name, identityFile }: { file: string; name: string; identityFile: string },
): Promise<string> {
  const values = z.record(z.string(), z.unknown()).parse(JSON.parse(await decrypt(sops, file, identityFile, "json")));
  const value = values[name];
  if (Object.keys(values).length === 1 && Object.hasOwn(values, name) && typeof value !== "string") {
    throw new UserError(
      {
        subject: "",
        problem: `${file} holds ${value === null ? "nothing" : Array.isArray(value) ? "a list" : `a ${typeof value}`} under "${name}", and a secret has to be text.`,
        fix: `Write it again, in quotes: clawdlets secrets edit ${name}`,
      },
      { exitCode: exitCodes.settings },
    );
  }
  if (typeof value !== "string" || Object.keys(values).length !== 1) {
    throw new UserError(
      `${file} holds ${keyList(Object.keys(values))} instead of the one key "${name}": each file has one secret, and its key is the file's name.`,
      { exitCode: exitCodes.settings },
    );
  }
  return value;
}

/**
 * Decrypts a whole sops file to YAML text (upstream has a single file per host), with the first identity that works.
 * @throws UserError like {@link decryptSecret}
 */
export async function decryptYaml(
  sops: string,
  { file, identities }: { file: string; identities: readonly string[] },
): Promise<string> {
  const [first, ...others] = identities;
  if (first === undefined) {
    throw new UserError(
      { subject: file, problem: "there is no identity here to decrypt it with.", fix: "Restore one from a backup." },
      {
        exitCode: exitCodes.settings,
      },
    );
  }
  try {
    return await decrypt(sops, file, first, "yaml");
  } catch (error) {
    if (others.length === 0) throw error;
    return decryptYaml(sops, { file, identities: others });
  }
}

async function decrypt(sops: string, file: string, identityFile: string, output: "json" | "yaml"): Promise<string> {
  const options = ["decrypt", "--input-type", "yaml", "--output-type", output];
  const env = environmentOf({ SOPS_AGE_KEY_FILE: identityFile });
  const { exitCode, stdout, stderr } = await run(sops, [...options, file], { cwd: "/", env, timeoutSeconds: 60 });
  if (exitCode === 0) return stdout;
  const threshold = thresholdProblem(readPublicFile(file) ?? "");
  if (threshold === undefined) throw sopsError(`decrypt ${file} with ${identityFile}`, stderr);
  throw new UserError(`${file} ${threshold}. Encrypt it to one group: clawdlets secrets init`, {
    exitCode: exitCodes.settings,
  });
}

/**
 * sops also searches for keys in `SOPS_AGE_*` (removed by `cleanEnvironment`), in the home folder and in `~/.ssh`. If a check
 * passed with the operator's own key, it would prove nothing about the host, so HOME points nowhere.
 */
function environmentOf(extra: Record<string, string> = {}): Record<string, string> {
  return cleanEnvironment({ HOME: nowhere, XDG_CONFIG_HOME: nowhere, ...littleCollection, ...extra });
}

const nowhere = join("/", "nonexistent");

/**
 * Go's garbage collector takes a quarter of the processor time of a sops that ends within 20 ms. A host's secrets fit in far less than
 * the limit, above which it collects after all.
 */
const littleCollection = { GOGC: "off", GOMEMLIMIT: "256MiB" };

const ageKeys = z.array(z.object({ recipient: z.string() })).nullish();
const metadata = z.object({
  sops: z.object({
    age: ageKeys,
    key_groups: z.array(z.object({ age: ageKeys })).nullish(),
    shamir_threshold: z.number().nullish(),
  }),
});

/**
 * How many key groups are needed to decrypt a sops file: 1 unless it has a Shamir threshold. If a key only opens one of two
 * groups, sops reports for the other that it "did not match any of the recipients".
 */
export function groupsNeeded(text: string): { needed: number; groups: number } {
  try {
    const { key_groups: groups, shamir_threshold: threshold } = metadata.parse(parse(text)).sops;
    const count = groups?.length ?? 0;
    return count < 2 ? { needed: 1, groups: 1 } : { needed: threshold || count, groups: count };
  } catch {
    return { needed: 1, groups: 1 }; // Not a sops file; reading it reports that.
  }
}

/** Says if a file needs more than one key, because a host only has one. */
export function thresholdProblem(text: string): string | undefined {
  const { needed, groups } = groupsNeeded(text);
  if (needed < 2) return undefined;
  return `needs keys of ${needed} of its ${groups} key groups (shamir_threshold), and the host has one key`;
}

/** The recipients of a sops file, from its public metadata, so that a preview can compare them without any key. */
export function recipientsOf(text: string): string[] {
  try {
    const { sops } = metadata.parse(parse(text));
    const groups = [sops, ...(sops.key_groups ?? [])];
    return [...new Set(groups.flatMap(({ age }) => age?.map(({ recipient }) => recipient) ?? []))];
  } catch {
    return []; // Not a sops file, so without recipients; decrypting it gives sops' own error.
  }
}

/** Names only, never values. */
const keyList = (keys: readonly string[]) => (keys.length === 0 ? "nothing" : keys.map((key) => `"${key}"`).join(", "));

function sopsError(what: string, stderr: string): UserError {
  return new UserError(`sops could not ${what}: ${reasonOf(stderr)}`, { exitCode: exitCodes.settings });
}

/** Extracts the reason from sops' output, which surrounds it with headings, bars and every place it searched for keys. */
function reasonOf(stderr: string): string {
  if (stderr.includes("identity did not match any of the recipients")) return "the key is not one of its recipients.";
  const lines = stderr.split("\n").map((line) => line.replace(/^[\s|-]+/, "").trim());
  const said = lines.filter((line) => line !== "" && !line.startsWith("[warning]")).join(" ");
  const reason = said.split(/ ?(Did not find keys in|Recovery failed because|For more)/)[0] ?? "";
  return reason === "" ? "it gave no reason." : reason.slice(0, 400);
}
