import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { UserError } from "../../../base/errors.ts";
import { exitCodes } from "../../../base/exit-codes.ts";
import { cleanEnvironment } from "../../../base/machine/environment.ts";
import { readPublicFile } from "../../../base/machine/private-files.ts";
import { run } from "../../../base/machine/run.ts";

export interface EncryptRequest {
  /** File name without `.yaml`, and the key inside. */
  name: string;
  value: string;
  /** The `.sops.yaml` whose first rule for `file` says to whom; no other is looked for. */
  config: string;
  /** Where the result will stand, which is what the rules are matched against. */
  file: string;
}

/**
 * Encrypts one secret to the text of a sops file `{<name>: <value>}`, by the real sops. The value goes through a pipe: it is
 * in no argument, no environment and no file. It goes as JSON, which says of every text that it is one: as YAML, `no`,
 * `0x1F` and `- a` would depend on what two YAML libraries think of quoting.
 * @throws UserError when sops refuses, or would have left the value readable
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
  // sops leaves values readable by rule: an `unencrypted_suffix`, which is `_unencrypted` unless it is set, or `encrypted_regex`.
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
    `sops left ${name} readable, so nothing was written: the rule of ${config} for ${file}, or the name itself, says not to encrypt it.`,
    { exitCode: exitCodes.settings },
  );
}

/**
 * Decrypts one secret's file with one identity and nothing else.
 * @throws UserError when the identity cannot open it, the MAC is wrong, or the key in it is not `name`
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
      `${file} holds ${shown(Object.keys(values))} instead of the one key "${name}": one secret a file, key equal to the file's name.`,
      { exitCode: exitCodes.settings },
    );
  }
  return value;
}

/**
 * Decrypts a whole sops file to YAML text, as upstream's single file a host is one, with the first identity that opens it.
 * @throws UserError as {@link decryptSecret}
 */
export async function decryptYaml(
  sops: string,
  { file, identities }: { file: string; identities: readonly string[] },
): Promise<string> {
  const [first, ...others] = identities;
  if (first === undefined) {
    throw new UserError(
      { subject: file, problem: "there is no identity here to decrypt it with.", fix: "Put a backup of one back." },
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
 * sops looks for keys in more places than it is told: `SOPS_AGE_*`, which `cleanEnvironment` takes away, then the home
 * folder and `~/.ssh`. A check that passes with the operator's own key would say nothing about the host.
 */
function environmentOf(extra: Record<string, string> = {}): Record<string, string> {
  return cleanEnvironment({ HOME: nowhere, XDG_CONFIG_HOME: nowhere, ...extra });
}

const nowhere = join("/", "nonexistent");

const ageKeys = z.array(z.object({ recipient: z.string() })).nullish();
const metadata = z.object({
  sops: z.object({
    age: ageKeys,
    key_groups: z.array(z.object({ age: ageKeys })).nullish(),
    shamir_threshold: z.number().nullish(),
  }),
});

/**
 * How many key groups have to be opened to read a sops file: 1 unless it was made with a threshold. sops says of a key that
 * opened one of two that it "did not match any of the recipients" of the other.
 */
export function groupsNeeded(text: string): { needed: number; groups: number } {
  try {
    const { key_groups: groups, shamir_threshold: threshold } = metadata.parse(parse(text)).sops;
    const count = groups?.length ?? 0;
    return count < 2 ? { needed: 1, groups: 1 } : { needed: threshold || count, groups: count };
  } catch {
    return { needed: 1, groups: 1 }; // No sops file; who reads it says so.
  }
}

/** What is wrong with a file that a host, which has one key, is to read. */
export function thresholdProblem(text: string): string | undefined {
  const { needed, groups } = groupsNeeded(text);
  if (needed < 2) return undefined;
  return `needs keys of ${needed} of its ${groups} key groups (shamir_threshold), and the host has one key`;
}

/** The recipients a sops file says it is encrypted to; public, so that a preview can compare them without any key. */
export function recipientsOf(text: string): string[] {
  try {
    const { sops } = metadata.parse(parse(text));
    const groups = [sops, ...(sops.key_groups ?? [])];
    return [...new Set(groups.flatMap(({ age }) => age?.map(({ recipient }) => recipient) ?? []))];
  } catch {
    return []; // No sops file, so encrypted to nobody; who reads the value gets sops' own words.
  }
}

/** Names only, never values. */
const shown = (keys: readonly string[]) => (keys.length === 0 ? "nothing" : keys.map((key) => `"${key}"`).join(", "));

function sopsError(what: string, stderr: string): UserError {
  return new UserError(`sops could not ${what}: ${reasonOf(stderr)}`, { exitCode: exitCodes.settings });
}

/** sops frames the one sentence that matters in headings, bars and a list of every place it looked for keys. */
function reasonOf(stderr: string): string {
  if (stderr.includes("identity did not match any of the recipients")) return "the key is none of its recipients.";
  const lines = stderr.split("\n").map((line) => line.replace(/^[\s|-]+/, "").trim());
  const said = lines.filter((line) => line !== "" && !line.startsWith("[warning]")).join(" ");
  const reason = said.split(/ ?(Did not find keys in|Recovery failed because|For more)/)[0] ?? "";
  return reason === "" ? "it gave no reason." : reason.slice(0, 400);
}
