import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { writePrivateFile } from "../../../../core/base/machine/private-files.ts";
import { signRelease, trustedKey } from "../../../../core/host/activation/sign.ts";
import { createSystemKey, ensureSystemKey, readSystemKeys } from "../../../../core/project/secrets/keys/system-key.ts";
import { path } from "../../../_debian.ts";
import { describeWith } from "../../../_needs.ts";
import { project } from "../../../_project.ts";

const commit = "0123456789abcdef0123456789abcdef01234567";
const nix = (args: string[], input: string) =>
  execa("nix", ["--extra-experimental-features", "nix-command", ...args], { input, env: { PATH: path } });

describe("the key that signs systems", () => {
  it("is made once, and nobody else can read it", async () => {
    const layout = project();
    const key = await ensureSystemKey(layout);
    expect(await ensureSystemKey(layout)).toEqual(key);
    expect([statSync(key.file).mode & 0o777, statSync(dirname(key.file)).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(key.name).toMatch(/^clawdlets-[0-9]{8}-[0-9a-f]{8}$/);
  });

  it.each([
    ["nothing", ""],
    ["a public key", `k:${"A".repeat(43)}=`],
    ["a seed alone", `k:${"A".repeat(43)}=`],
    ["no name", `${"A".repeat(86)}==`],
  ])("is refused without being shown if its file holds %s", async (_, text) => {
    const layout = project();
    const { file } = await createSystemKey(layout);
    await writePrivateFile(file, text);
    expect(() => readSystemKeys(layout)).toThrow(/is not a key of nix key generate-secret(?!.*AAAA)/);
  });

  it("is the stack file's newest that the host trusts, and without one the names are said", async () => {
    const layout = project();
    const [a, b, c] = [await createSystemKey(layout), await createSystemKey(layout), await createSystemKey(layout)];
    const all = [a, b, c].map(({ publicKey }) => publicKey);
    expect(trustedKey(layout, "web-1", all, [a.publicKey, b.publicKey])).toEqual(b);
    expect(trustedKey(layout, "web-1", [c.publicKey], [a.publicKey])).toEqual(a);
    expect(() => trustedKey(layout, "web-1", all, [`other:${"A".repeat(43)}=`])).toThrow(
      "it accepts only systems that are signed by other, and the private half is not in",
    );
  });

  it("numbers a release by the time, and above the host's last one whatever its clock said", async () => {
    const layout = project();
    const { publicKey } = await createSystemKey(layout);
    const wanted = { host: "web-1", what: commit, wanted: [publicKey] };
    const sign = (release: number) => signRelease(layout, { ...wanted, rules: { systemKeys: [publicKey], release } });
    expect(Math.abs((sign(0)?.number ?? 0) - Date.now() / 1000)).toBeLessThan(60);
    expect(sign(9_000_000_000)?.number).toBe(9_000_000_001);
    expect(signRelease(layout, { ...wanted, rules: { systemKeys: [], release: 0 } })).toBeUndefined();
  });
});

describeWith({ programs: ["nix"] }, "the real nix and the key that signs systems", () => {
  it("agree on the public half, ours and nix's own", async () => {
    const layout = project();
    const ours = await createSystemKey(layout);
    const { stdout } = await nix(["key", "convert-secret-to-public"], readFileSync(ours.file, "utf8"));
    expect(stdout).toBe(ours.publicKey);
    const made = (await nix(["key", "generate-secret", "--key-name", "theirs-1"], "")).stdout;
    await writePrivateFile(ours.file, made);
    const [theirs] = readSystemKeys(layout);
    expect(theirs?.publicKey).toBe((await nix(["key", "convert-secret-to-public"], made)).stdout);
  });
});
