import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { extraFilesOf, stageExtraFiles } from "../../../core/bootstrap/extra-files.ts";
import { temporaryFolder } from "../../_project.ts";

const files = extraFilesOf({
  host: "web-1",
  installId: "0123456789abcdef",
  identityFileText: "AGE-SECRET-KEY-1\n",
  hostPrivateKey: "private\n",
  hostPublicKey: "ssh-ed25519 AAAA",
  remoteSecretsDir: "/var/lib/clawdlets/secrets/hosts/web-1",
  secrets: { admin_password_hash: "ciphertext" },
});

describe("the extra files", () => {
  it("have exact places and modes, whatever the umask", () => {
    const old = process.umask(0o077);
    const folder = join(temporaryFolder(), "staging");
    try {
      stageExtraFiles(folder, files);
    } finally {
      process.umask(old);
    }
    const mode = (path: string) => (statSync(join(folder, path)).mode & 0o777).toString(8);
    expect(Object.fromEntries(files.map(({ path }) => [path, mode(path)]))).toEqual({
      "/var/lib/sops-nix/key.txt": "400",
      "/var/lib/clawdlets/install-id": "444",
      "/etc/ssh/ssh_host_ed25519_key": "600",
      "/etc/ssh/ssh_host_ed25519_key.pub": "644",
      "/var/lib/clawdlets/secrets/hosts/web-1/admin_password_hash.yaml": "400",
    });
    expect(["/", "/etc", "/etc/ssh", "/var/lib", "/var/lib/sops-nix"].map(mode)).toEqual([
      "700",
      "755",
      "755",
      "755",
      "711",
    ]);
  });

  it("replace what a killed run left, and are gone afterwards", () => {
    const folder = join(temporaryFolder(), "staging");
    mkdirSync(folder);
    writeFileSync(join(folder, "left"), "plaintext");
    const unstage = stageExtraFiles(folder, files);
    expect(readdirSync(folder).sort()).toEqual(["etc", "var"]);
    expect(readFileSync(join(folder, "var/lib/clawdlets/install-id"), "utf8")).toBe("0123456789abcdef\n");
    unstage();
    expect(existsSync(folder)).toBe(false);
  });
});
