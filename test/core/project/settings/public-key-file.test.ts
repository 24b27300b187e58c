import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { problemSentence } from "../../../../core/base/problem.ts";
import { isPublicKey, isPublicKeyLine } from "../../../../core/base/public-key.ts";
import { readPublicKeyFile } from "../../../../core/project/settings/public-key-file.ts";
import { publicKey, temporaryFolder } from "../../../_project.ts";

function read(content: string) {
  const path = join(temporaryFolder(), "id.pub");
  writeFileSync(path, content);
  return readPublicKeyFile(path, "hosts.web-1.opentofu.sshPubkeyFile");
}
const said = (content: string) => read(content).problems.map(problemSentence);

describe("a public key file", () => {
  it.each(["", "\n", "\r\n", "\n\n# my laptop\n"])("is read with %j after the key", (end) => {
    expect(read(`${publicKey}${end}`)).toEqual({ value: publicKey, problems: [] });
  });

  it("may be a link and begin with a byte order mark", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "a.pub"), `\uFEFF${publicKey}\n`);
    symlinkSync("a.pub", join(folder, "b.pub"));
    expect(readPublicKeyFile(join(folder, "b.pub")).value).toBe(publicKey);
  });

  it("is named in each problem, with the setting that led there", () => {
    const [problem] = read("").problems;
    expect(problem?.subject).toMatch(/id\.pub$/);
    expect(problem?.setting).toBe("hosts.web-1.opentofu.sshPubkeyFile");
  });

  it.each(["ed25519", "rsa", "ecdsa"])("is what ssh-keygen makes for %s, and its private half is not", async (type) => {
    const path = join(temporaryFolder(), "id");
    await execa("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "me@laptop", "-f", path]);
    const { value } = readPublicKeyFile(`${path}.pub`);
    expect(value).toMatch(/ me@laptop$/);
    const [problem] = readPublicKeyFile(path).problems;
    expect(problem && problemSentence(problem)).toContain("is a private key");
    expect(problem && problemSentence(problem)).toContain(`ssh-keygen -y -f '${path}' > '${path}.pub'`);
    expect(problem && problemSentence(problem)).not.toMatch(/BEGIN|[A-Za-z0-9+/=]{60}/);
    // The way back that the message gives has to work.
    const { stdout } = await execa("ssh-keygen", ["-y", "-f", path]);
    expect(read(stdout).value?.split(" ")[1]).toBe(value?.split(" ")[1]);
    for (const format of ["PEM", "PKCS8", "RFC4716"]) {
      const exported = await execa("ssh-keygen", ["-e", "-m", format, "-f", `${path}.pub`], { reject: false });
      if (exported.exitCode === 0)
        expect(said(exported.stdout)).toEqual([expect.stringContaining("is not an OpenSSH")]);
    }
  });

  it.each([
    ["PEM", "-----BEGIN RSA PRIVATE KEY-----\nsecretsecret\n"],
    ["PEM after text", "my key:\n-----BEGIN EC PRIVATE KEY-----\nsecretsecret\n"],
    ["an age identity in PEM's clothes", "-----BEGIN AGE ENCRYPTED FILE-----\nsecretsecret"],
    ["PuTTY", "PuTTY-User-Key-File-3: ssh-ed25519\nsecretsecret\n"],
  ])("is refused as a private key: %s", (_, content) => {
    expect(said(content)).toEqual([expect.stringContaining("is a private key")]);
    expect(said(content).join()).not.toContain("secretsecret");
  });

  it.each([
    ["nothing", "", "is empty"],
    ["comments alone", "# x\n", "is empty"],
    ["two keys", `${publicKey}\n${publicKey}\n`, "holds 2 keys; exactly one is allowed"],
    ["an identity of age", "AGE-SECRET-KEY-1QQQQ", "is not an OpenSSH public key"],
    ["options", `no-pty ${publicKey}`, "is not an OpenSSH public key"],
    ["a key that lost a character", publicKey.replace("IGJ3", "IGJ"), "is not an OpenSSH public key"],
    ["a key cut short", publicKey.slice(0, 60), "is not an OpenSSH public key"],
    ["a type that is not the key's", publicKey.replace("ed25519", "rsa"), "is not an OpenSSH public key"],
    ["DSA", "ssh-dss AAAAB3NzaC1kc3MAAAAA", "is not an OpenSSH public key"],
    ["a control character", `${publicKey}\u001b[2J`, "is not an OpenSSH public key"],
    ["64 KiB and more", `${publicKey}\n${"#".repeat(70_000)}`, "is not an OpenSSH public key"],
  ])("is refused with %s", (_, content, message) => {
    const found = said(content);
    expect(found).toEqual([expect.stringContaining(message)]);
    expect(found.join()).not.toContain("AAAAC3");
  });

  it("says how to make one that is missing", () => {
    const path = join(temporaryFolder(), "it's.pub");
    const [problem] = readPublicKeyFile(path).problems;
    expect(problem && problemSentence(problem)).toContain("there is no such file");
    expect(problem && problemSentence(problem)).toContain(
      `ssh-keygen -t ed25519 -f '${path.replace("'", "'\\''").replace(/\.pub$/, "")}'`,
    );
  });

  it("may not be a folder or lie below a file", () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "a.pub"));
    writeFileSync(join(folder, "b"), "");
    expect(readPublicKeyFile(join(folder, "a.pub")).problems.map(problemSentence)[0]).toContain("is not a plain file");
    expect(readPublicKeyFile(join(folder, "b", "c.pub")).problems.map(problemSentence)[0]).toContain(
      "there is no such file",
    );
    expect(readPublicKeyFile("/dev/zero").problems.map(problemSentence)[0]).toContain("is not a plain file");
  });

  it("knows a key from its wire form", () => {
    const [type = "", blob = ""] = publicKey.split(" ");
    expect(isPublicKey(type, blob)).toBe(true);
    expect(isPublicKey("constructor", blob)).toBe(false);
    expect(isPublicKey(type, "")).toBe(false);
    expect(isPublicKey(type, `${blob}AAAA`)).toBe(false);
    expect(isPublicKeyLine(publicKey)).toBe(true);
    expect(isPublicKeyLine(`${publicKey}\nx`)).toBe(false);
  });
});
