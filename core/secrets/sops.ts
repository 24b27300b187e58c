import { parse, stringify } from "yaml";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { cleanEnvironment, run } from "../local/run.ts";

/**
 * Encrypts one secret to the text of a sops file `{<name>: <value>}`, by the real sops. The value goes through a pipe:
 * it is in no argument, no environment and no file.
 */
export async function encryptSecret(
  sops: string,
  { name, value, recipients }: { name: string; value: string; recipients: readonly string[] },
): Promise<string> {
  const result = await run(
    sops,
    [
      "encrypt",
      "--input-type",
      "yaml",
      "--output-type",
      "yaml",
      "--age",
      recipients.join(","),
      "--filename-override",
      `${name}.yaml`,
    ],
    // HOME without a .sops.yaml above it, so that no rule of another project joins in.
    { input: stringify({ [name]: value }), cwd: "/", env: cleanEnvironment(), timeoutSeconds: 60 },
  );
  if (result.exitCode !== 0) throw sopsError(`encrypt ${name}`, result.stderr);
  return result.stdout;
}

/**
 * Decrypts one secret's file with one identity and nothing else.
 * @throws UserError when the identity cannot open it, the MAC is wrong, or the key in it is not `name`
 */
export async function decryptSecret(
  sops: string,
  { file, name, identityFile }: { file: string; name: string; identityFile: string },
): Promise<string> {
  const result = await run(sops, ["decrypt", "--input-type", "yaml", "--output-type", "yaml", file], {
    // A sops that finds no key looks into HOME and XDG_CONFIG_HOME: then a check would pass with the operator's own key.
    env: cleanEnvironment({ SOPS_AGE_KEY_FILE: identityFile, HOME: "/nonexistent", XDG_CONFIG_HOME: "/nonexistent" }),
    timeoutSeconds: 60,
  });
  if (result.exitCode !== 0) throw sopsError(`decrypt ${file} with ${identityFile}`, result.stderr);
  const content = z.record(z.string(), z.unknown()).safeParse(parse(result.stdout));
  const value = content.data?.[name];
  if (typeof value !== "string") {
    throw new UserError(
      `${file} holds no text under the key "${name}": one secret a file, key equal to the file's name.`,
      {
        exitCode: exitCodes.settings,
      },
    );
  }
  return value;
}

const metadata = z.object({ sops: z.object({ age: z.array(z.object({ recipient: z.string() })) }) });

/** The recipients a sops file says it is encrypted to; public, so that a preview can compare them without any key. */
export function recipientsOf(text: string): string[] {
  return metadata.safeParse(parse(text)).data?.sops.age.map(({ recipient }) => recipient) ?? [];
}

function sopsError(what: string, stderr: string): UserError {
  const first = stderr.split("\n").find((line) => line.trim() !== "") ?? "it gave no reason";
  return new UserError(`sops could not ${what}: ${first.trim()}`, { exitCode: exitCodes.settings });
}
