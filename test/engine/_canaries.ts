import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import type { Demo } from "../../cli/demo/prepare.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { operatorIdentityFile } from "../../core/project/secrets/keys/operators.ts";
import { decryptSecret } from "../../core/project/secrets/sops/sops.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { repository } from "../_repository.ts";

/** A host of the demo that was created, and what was printed meanwhile. */
export interface PlantedRun {
  demo: Demo;
  /** The emulator's data. */
  data: string;
  lines: readonly string[];
}

const engine = findEngine(repository);

/**
 * Everything that must stay in `.clawdlets` and on the host, each as it would stand in a leak.
 * @param typed the secrets that a person typed
 */
export async function plantedSecrets(
  { layout, host }: Demo,
  typed: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const files = hostLayoutOf(layout, host);
  const read = (file: string) => readFileSync(file, "utf8");
  const secret = (name: string) =>
    decryptSecret(engine?.sops ?? "sops", {
      file: join(files.secrets, `${name}.yaml`),
      name,
      identityFile: files.identity,
    });
  const lastLine = (key: string) => key.trim().split("\n").at(-2) ?? "";
  return {
    token: /HCLOUD_TOKEN="(.+)"/.exec(read(join(layout.dir, ".env")))?.[1] ?? "",
    passphrase: read(layout.passphrase).trim(),
    ...typed,
    adminPasswordHash: await secret("admin_password_hash"),
    ageIdentity: /AGE-SECRET-KEY-1\w+/.exec(read(files.identity))?.[0] ?? "",
    operatorIdentity: /AGE-SECRET-KEY-1\w+/.exec(read(operatorIdentityFile(layout, undefined)))?.[0] ?? "",
    hostKey: lastLine(read(files.hostKey)),
    operatorKey: lastLine(read(join(layout.root, "operator", "id_ed25519"))),
  };
}

const read = (file: string) => readFileSync(file, "latin1");
const filesBelow = (top: string) =>
  readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath, entry.name));
/** Where each of them is to be, and nowhere else in the whole project. */
const home = (path: string) =>
  /\.clawdlets\/(secrets\/.*agekey|passphrase$|\.env$|hosts\/[^/]+\/ssh\/)|\/operator\/|\/emulator\/|\/node_modules/.test(
    path,
  );

async function decryptedState({ layout, host }: Demo): Promise<string> {
  const args = ["stack", "export", "--show-secrets", "--stack", host, "--non-interactive"];
  const env = engineEnvironment(layout, engine ?? ({} as never));
  return (await execa(engine?.pulumi ?? "pulumi", args, { cwd: layout.root, env })).stdout;
}

/** The places that must hold no planted secret, with their text. */
export const secretPlaces: readonly [string, (run: PlantedRun) => Promise<string> | string][] = [
  ["the state, decrypted", ({ demo }) => decryptedState(demo)],
  ["any file of the backend, history and backups too", ({ demo }) => filesBelow(demo.layout.state).map(read).join("")],
  ["the raw installer logs", ({ demo }) => filesBelow(hostLayoutOf(demo.layout, demo.host).logs).map(read).join("")],
  ["what was sent to Hetzner", ({ data }) => read(join(data, "requests.jsonl"))],
  ["our own output", ({ lines }) => lines.join("\n")],
  [
    "any other file of the project: what git would take, what Nix would copy",
    ({ demo }) =>
      filesBelow(demo.layout.root)
        .filter((path) => !home(path))
        .map(read)
        .join(""),
  ],
];

/** The names of those that the text holds. */
export function leaksIn(text: string, canaries: Readonly<Record<string, string>>): string[] {
  return Object.entries(canaries).flatMap(([name, canary]) => (text.includes(canary) ? [name] : []));
}
