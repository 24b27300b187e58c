import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { checkRecipients } from "../../../../../core/project/secrets/check.ts";
import {
  createAgeKeyPair,
  encryptTo,
  ensureIdentityFile,
  readIdentityFile,
} from "../../../../../core/project/secrets/keys/age.ts";
import { decryptSecret, encryptSecret, recipientsOf } from "../../../../../core/project/secrets/sops/sops.ts";
import { readSecret, secretFile, writeRule, writeSecret } from "../../../../../core/project/secrets/store.ts";
import { temporaryFolder } from "../../../../_project.ts";
import fc from "../../../../_properties.ts";
import { ageTool, makeProject, openHost, sops } from "../_lab.ts";

async function hostWithKey() {
  const layout = makeProject(temporaryFolder(), [{ name: "web-1", secrets: ["value"] }]);
  const { store } = openHost(layout, "web-1");
  const pair = await ensureIdentityFile(store.files.identity);
  await writeRule(store, [pair.recipient]);
  return { layout, store, pair };
}

describe("decrypting undoes encrypting, byte for byte", () => {
  const lookAlikes = [
    ..."no yes on off true null ~ 0x1F 0o17 017 1_000 1e3 .inf 12:30:45 2001-01-01 1.10 = <<".split(" "),
    "- a",
    "a: b",
    "# not a comment",
    "{}",
    "[1]",
    "&anchor",
    "*alias",
    "!!binary aGk=",
    "|",
    ">-",
    "'",
    '"',
    "%TAG",
    "@x",
    "`x`",
    "?",
    "---",
    "...",
    "\n",
    "\r\n",
    "a\n",
    "a\n\n",
    "\na",
    " a ",
    "\ta\t",
    "a\r\nb\rc\nd",
    "\u0000\u0001\u001b[31m",
    "\u0085\u2028\u2029\ufeff",
    "é\u0301👩‍💻\u{10ffff}",
    "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]",
    "x".repeat(64 * 1024),
    "👩".repeat(16 * 1024),
  ];

  it("for YAML look-alikes, line ends, control characters and 64 KiB", async () => {
    const { store } = await hostWithKey();
    for (const value of lookAlikes) {
      await writeSecret(store, "value", value);
      expect(readFileSync(secretFile(store, "value"), "utf8")).toMatch(/^value: ENC\[/);
      expect(await readSecret(store, "value")).toBe(value);
    }
  }, 60_000);

  it("for any text", async () => {
    const { store } = await hostWithKey();
    const text = fc.oneof(fc.string({ unit: "binary", minLength: 1 }), fc.string({ unit: "grapheme", minLength: 1 }));
    await fc.assert(
      fc.asyncProperty(text, async (value) => {
        await writeSecret(store, "value", value);
        expect(await readSecret(store, "value")).toBe(value);
      }),
      { numRuns: 100 },
    );
  }, 60_000);
});

describe("what we write, the real tools read", () => {
  it("age-keygen reads our identity file", async () => {
    const { store, pair } = await hostWithKey();
    const { stdout } = await execa(ageTool("age-keygen"), ["-y", store.files.identity]);
    expect(stdout.trim()).toBe(pair.recipient);
  });

  it("age decrypts what is encrypted to two recipients, with either identity", async () => {
    const [one, two] = [await createAgeKeyPair(), await createAgeKeyPair()];
    const text = await encryptTo([one.recipient, two.recipient], "hello\n");
    for (const { identity } of [one, two]) {
      const file = join(temporaryFolder(), "key");
      writeFileSync(file, `${identity}\n`);
      const { stdout } = await execa(ageTool("age"), ["-d", "-i", file], { input: text, stripFinalNewline: false });
      expect(stdout).toBe("hello\n");
    }
  });

  it("plain sops decrypts our file to exactly the value", async () => {
    const { store } = await hostWithKey();
    await writeSecret(store, "value", "0x1F\n");
    const { stdout } = await execa(sops, ["decrypt", "--extract", '["value"]', secretFile(store, "value")], {
      env: { SOPS_AGE_KEY_FILE: store.files.identity },
      stripFinalNewline: false,
    });
    expect(stdout).toBe("0x1F\n");
  });
});

describe("what the real tools write, we read", () => {
  it("an identity of age-keygen", async () => {
    const file = join(temporaryFolder(), "key");
    const { stderr } = await execa(ageTool("age-keygen"), ["-o", file]);
    expect((await readIdentityFile(file))?.recipient).toBe(/age1\w+/.exec(stderr)?.[0]);
  });

  it("a file that plain sops encrypted under the .sops.yaml that we keep", async () => {
    const { store, pair } = await hostWithKey();
    await writeSecret(store, "value", "old");
    const file = secretFile(store, "value");
    writeFileSync(file, "value: by hand\n");
    await execa(sops, ["--config", store.layout.sopsConfig, "encrypt", "--in-place", file], { cwd: store.layout.root });
    expect(recipientsOf(readFileSync(file, "utf8"))).toEqual([pair.recipient]);
    expect(await decryptSecret(sops, { file, name: "value", identityFile: store.files.identity })).toBe("by hand");
  });
});

describe("refuses", () => {
  it("a value that sops would leave readable, before anything is written", async () => {
    const { store } = await hostWithKey();
    await expect(writeSecret(store, "token_unencrypted", "plain")).rejects.toThrow(/left token_unencrypted readable/);
    expect(() => readFileSync(secretFile(store, "token_unencrypted"))).toThrow(/ENOENT/);
  });

  it("to write what another rule keeps from the host, since sops takes the first that matches", async () => {
    const { store } = await hostWithKey();
    const { recipient } = await createAgeKeyPair();
    const { sopsConfig } = store.layout;
    const rules = readFileSync(sopsConfig, "utf8");
    const first = `creation_rules:\n  - path_regex: .*\n    age: ${recipient}\n`;
    writeFileSync(sopsConfig, rules.replace("creation_rules:\n", first), { mode: 0o600 });
    await expect(writeSecret(store, "value", "x")).rejects.toThrow(
      /used a different rule .* move the rule of web-1 to the top/,
    );
    expect(() => readFileSync(secretFile(store, "value"))).toThrow(/ENOENT/);
  });

  it("a file whose key is not its name, and names the keys but not the values", async () => {
    const { store } = await hostWithKey();
    await writeSecret(store, "value", "canary-value");
    const { files } = store;
    await expect(
      decryptSecret(sops, { file: secretFile(store, "value"), name: "other", identityFile: files.identity }),
    ).rejects.toThrow(/holds "value" instead of the one key "other"/);
  });

  it("the operator's own keys: SOPS_AGE_KEY in the environment opens nothing", async () => {
    const { store, pair } = await hostWithKey();
    await writeSecret(store, "value", "x");
    const other = join(temporaryFolder(), "other");
    await ensureIdentityFile(other);
    process.env["SOPS_AGE_KEY"] = pair.identity;
    process.env["SOPS_AGE_KEY_FILE"] = store.files.identity;
    try {
      const decrypt = decryptSecret(sops, { file: secretFile(store, "value"), name: "value", identityFile: other });
      await expect(decrypt).rejects.toThrow(/the key is not one of its recipients/);
    } finally {
      delete process.env["SOPS_AGE_KEY"];
      delete process.env["SOPS_AGE_KEY_FILE"];
    }
  });

  it("a tampered value", async () => {
    const { store } = await hostWithKey();
    await writeSecret(store, "value", "a longer value");
    const file = secretFile(store, "value");
    writeFileSync(file, readFileSync(file, "utf8").replace(/data:[A-Za-z0-9+/]{4}/, "data:AAAA"), { mode: 0o600 });
    await expect(readSecret(store, "value")).rejects.toThrow(/sops could not decrypt/);
  });
});

describe("a file that a host with one key cannot read says why", () => {
  const twoGroups = (recipients: string[]) =>
    JSON.stringify({
      creation_rules: [
        { path_regex: ".*", shamir_threshold: 2, key_groups: recipients.map((each) => ({ age: [each] })) },
      ],
    });

  /** By the real sops, as someone would by hand. */
  async function byHand(folder: string, rules: string, file: string, content: string): Promise<void> {
    const config = join(folder, "by-hand.yaml");
    writeFileSync(config, rules);
    const args = [
      "--config",
      config,
      "encrypt",
      "--input-type",
      "json",
      "--output-type",
      "yaml",
      "--filename-override",
      file,
    ];
    const { stdout } = await execa(sops, args, { input: content });
    writeFileSync(file, stdout, { mode: 0o600 });
  }

  it("for a threshold of key groups: reading, checking, and writing under such a rule", async () => {
    const { layout, store, pair } = await hostWithKey();
    const other = await createAgeKeyPair();
    const file = secretFile(store, "value");
    await writeSecret(store, "value", "x");
    await byHand(temporaryFolder(), twoGroups([pair.recipient, other.recipient]), file, JSON.stringify({ value: "x" }));
    const said = /needs keys of 2 of its 2 key groups \(shamir_threshold\), and the host has one key/;
    const read = decryptSecret(sops, { file, name: "value", identityFile: store.files.identity });
    await expect(read).rejects.toThrow(said);
    const check = {
      ...{ layout, host: store.files, hostName: "web-1", recipient: pair.recipient, sops },
      ...{ secretsDir: dirname(file), required: [{ name: "value", purpose: "a test" }] as never },
    };
    expect(checkRecipients(check)).toMatchObject([{ setting: "value", problem: expect.stringMatching(said) }]);
    const config = join(temporaryFolder(), ".sops.yaml");
    writeFileSync(config, twoGroups([pair.recipient, other.recipient]));
    await expect(encryptSecret(sops, { name: "value", value: "x", config, file })).rejects.toThrow(
      /value was not written: .* needs keys of 2 of its 2 key groups/,
    );
    // One group with both, which is not a threshold, stays readable by each.
    await byHand(
      temporaryFolder(),
      twoGroups([`${pair.recipient}`]).replace('"shamir_threshold":2,', ""),
      file,
      '{"value":"x"}',
    );
    expect(await decryptSecret(sops, { file, name: "value", identityFile: store.files.identity })).toBe("x");
  }, 60_000);

  it.each([
    ["12345", "a number"],
    ["true", "a boolean"],
    ["[1]", "a list"],
  ])("for %s instead of text", async (value, what) => {
    const { store, pair } = await hostWithKey();
    const file = secretFile(store, "value");
    await writeSecret(store, "value", "x");
    const rules = JSON.stringify({ creation_rules: [{ path_regex: ".*", age: pair.recipient }] });
    await byHand(temporaryFolder(), rules, file, `{"value": ${value}}`);
    await expect(decryptSecret(sops, { file, name: "value", identityFile: store.files.identity })).rejects.toThrow(
      `holds ${what} under "value", and a secret has to be text. Write it again, in quotes: clawdlets secrets edit value`,
    );
  });
});

describe("an identity file with other than one identity says what to do, by whose it is", () => {
  it.each([
    ["host", 2, /holds 2 age identities; exactly one is needed\. .*clawdlets secrets rotate/],
    [
      "operator",
      2,
      /holds 2 age identities; exactly one is needed\. Keep only the one .*SOPS_AGE_KEY_FILE in \.clawdlets\/\.env/,
    ],
    [
      "operator",
      0,
      /holds no age identity \(plugin identities are not supported\); exactly one is needed\. Keep only the one/,
    ],
  ] as const)("%s, %i", async (of, count, said) => {
    const file = join(temporaryFolder(), "a.agekey");
    const pairs = await Promise.all(Array.from({ length: count }, createAgeKeyPair));
    const lines = count === 0 ? ["AGE-PLUGIN-YUBIKEY-1ABC"] : pairs.map(({ identity }) => identity);
    writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
    const refused = await readIdentityFile(file, of).catch(String);
    expect(refused).toMatch(said);
    if (of === "operator") expect(refused).not.toContain("rotate");
  });
});

describe("a file that is not an identity file is refused by what it is", () => {
  const armored = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n";
  it.each([
    ["encrypted with a passphrase, armored", armored, "encrypted; decrypt it first: age --decrypt"],
    ["encrypted with a passphrase", "age-encryption.org/v1\n-> scrypt AAAA 18\n", "encrypted; decrypt it first"],
    ["an ssh key", "-----BEGIN OPENSSH PRIVATE KEY-----\n", "ssh keys are not supported"],
    ["a recipient", "age1qqqq\n", "only the public half, a recipient"],
    ["empty", "", "holds no age identity; exactly one"],
  ])("%s", async (_, content, said) => {
    const file = join(temporaryFolder(), "a.agekey");
    writeFileSync(file, content, { mode: 0o600 });
    await expect(readIdentityFile(file)).rejects.toThrow(said);
  });

  it("a byte order mark, which sops does not accept either", async () => {
    const { store, pair } = await hostWithKey();
    await writeSecret(store, "value", "x");
    const file = join(temporaryFolder(), "bom.agekey");
    writeFileSync(file, `\uFEFF# public key: ${pair.recipient}\n${pair.identity}\n`, { mode: 0o600 });
    await expect(readIdentityFile(file)).rejects.toThrow("it begins with a byte order mark");
    const environment = { SOPS_AGE_KEY_FILE: file, HOME: temporaryFolder() };
    const { exitCode, stderr } = await execa(sops, ["decrypt", secretFile(store, "value")], {
      env: environment,
      reject: false,
    });
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/failed\s+(?:\|\s+)?to parse|unknown identity type/);
  });

  it("not one with Windows line ends, which sops reads as well", async () => {
    const { store, pair } = await hostWithKey();
    await writeSecret(store, "value", "x");
    const file = join(temporaryFolder(), "crlf.agekey");
    writeFileSync(file, `# public key: ${pair.recipient}\r\n${pair.identity}\r\n`, { mode: 0o600 });
    expect(await readIdentityFile(file)).toMatchObject({ recipient: pair.recipient });
    expect(await decryptSecret(sops, { file: secretFile(store, "value"), name: "value", identityFile: file })).toBe(
      "x",
    );
  });
});
