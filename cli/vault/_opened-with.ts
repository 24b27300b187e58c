import { resolve } from "node:path";
import { Command } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import type { Layout } from "../../core/project/layout.ts";
import { readIdentityFile } from "../../core/project/secrets/keys/age.ts";
import { operatorIdentityFile } from "../../core/project/secrets/keys/operators.ts";
import { readEnvFile } from "../../core/project/settings/env-file.ts";
import { expandHome } from "../../core/project/settings/host.ts";
import { minPassphraseLength, type OpenedWith } from "../../core/tasks/vault/vault.ts";
import { askPassphrase, canAsk } from "../shared/ask.ts";
import { jsonOption } from "../shared/output.ts";
import { readValue } from "../shared/values.ts";

export interface OpenOptions {
  identity?: string;
  passphrase?: boolean;
  json?: boolean;
}

const identityOption = ["--identity <file>", "age identity that opens it; the default is this operator's"] as const;
const passphraseOption = ["--passphrase", "ask for its passphrase; without a terminal: read standard input"] as const;

/** A command that opens a vault, with the options that say how. */
export const openingCommand = (name: string): Command =>
  new Command(name)
    .argument("<file>", "the vault")
    .option(...identityOption)
    .option(...passphraseOption)
    .option(...jsonOption);

/** What opens a vault: its passphrase, the identity in a file, or this operator's. */
export async function openedWith(layout: Layout, options: OpenOptions): Promise<OpenedWith> {
  if (options.passphrase) return { passphrase: await readPassphrase({ twice: false }) };
  const file =
    options.identity === undefined
      ? operatorIdentityFile(layout, readEnvFile(layout, {}).value.SOPS_AGE_KEY_FILE)
      : resolve(expandHome(options.identity, process.env));
  const pair = await readIdentityFile(file, "operator");
  if (pair) return { identity: pair.identity };
  throw new UserError(
    {
      code: "key-missing",
      subject: file,
      problem: "no such file, and opening the vault needs its age identity.",
      fix: "Pass one with --identity, or pass --passphrase if the vault has one.",
    },
    { exitCode: exitCodes.settings },
  );
}

/** @param twice ask again, as for a new one: a typing error would lock everybody out */
export async function readPassphrase({ twice }: { twice: boolean }): Promise<string> {
  if (canAsk()) return askPassphrase("Passphrase of the vault", { twice, minLength: minPassphraseLength });
  return readValue("the passphrase");
}

export const namesOf = (hosts: readonly string[]): string => (hosts.length === 0 ? "no hosts" : hosts.join(", "));
