import { describe, expect, it } from "vitest";
import {
  credentialProblem,
  hasCredentials,
  withCredentialsHidden,
  withoutCredentials,
} from "../../../core/base/credentials.ts";
import { quoted, safeText } from "../../../core/base/wording.ts";

const token = "canary0token";

describe("an address with credentials", () => {
  it.each([
    [`https://x-access-token:${token}@github.com/o/r.git`, "https://github.com/o/r.git"],
    [`https://${token}@github.com/o/r`, "https://github.com/o/r"],
    [`HTTPS://u:${token}@github.com/o/r`, "HTTPS://github.com/o/r"],
    [`git+https://u:${token}@git.example.com/r?ref=main`, "git+https://git.example.com/r?ref=main"],
    [`tarball+https://u:${token}@example.com/x.tar.gz`, "tarball+https://example.com/x.tar.gz"],
    [`https://u:p@${token}@example.com/x`, "https://example.com/x"],
    [`https:///u:${token}@example.com/x`, "https:///example.com/x"],
    [`https:\\\\u:${token}@example.com/x`, "https:\\\\example.com/x"],
    [`ssh://git:${token}@example.com/x`, "ssh://example.com/x"],
    [`git+ssh://git:${token}@example.com/x`, "git+ssh://example.com/x"],
    [`git:${token}@example.com:o/r`, "example.com:o/r"],
    [`https://example.com/x?private_token=${token}`, "https://example.com/x?private_token="],
    [`https://example.com/x?a=b&X-Amz-Signature=${token}#c`, "https://example.com/x?a=b&X-Amz-Signature=#c"],
    [`https://example.com/ghp_${token}/x`, "https://example.com//x"],
    [`ssh://ghp_${token}@example.com/x`, "ssh://example.com/x"],
  ])("is stripped and refused: %s", (address, stripped) => {
    expect(withoutCredentials(address)).toBe(stripped);
    expect(hasCredentials(stripped)).toBe(false);
    expect(hasCredentials(`  ${address}`)).toBe(true);
    for (const text of [
      credentialProblem(address),
      safeText(`fatal: unable to access '${address}': 403`),
      quoted(address),
      withCredentialsHidden(address),
    ]) {
      expect(text).not.toContain(token);
    }
  });

  it("is refused where a password has a slash, which no parser takes", () => {
    expect(hasCredentials(`https://u:pa/ss${token}@example.com/x`)).toBe(true);
  });
});

describe("an address without credentials stays as it is", () => {
  it.each([
    "https://github.com/o/r.git",
    "https://github.com:8443/@scope/r@v1",
    "git@github.com:o/r.git",
    "ssh://git@github.com/o/r",
    "git+ssh://deploy.user@example.com:2222/o/r?ref=main",
    "github:o/r/0123456789abcdef0123456789abcdef01234567",
    "github:o/r?narHash=sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "git+https://example.com/r?publicKey=abc&ref=token-branch",
    "git+file:///a@b/c",
    "git+file:///home/me/a:b@c/d",
    "path:/home/me@work/x",
    "/srv/a@b",
    "",
  ])("%s", (address) => {
    expect(withoutCredentials(address)).toBe(address);
    expect(credentialProblem(address)).toBeUndefined();
  });
});

it.each(["a:", "a.", "?token", "https://", "://a", "x@"])("takes 64 KiB of %j in a moment", (part) => {
  const started = process.cpuUsage();
  withoutCredentials(part.repeat(65_536 / part.length));
  expect(process.cpuUsage(started).user).toBeLessThan(2_000_000);
});
