import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerOf, createHetzner } from "../../../../core/base/hetzner/client.ts";
import {
  ensureBootstrapKeys,
  readBootstrapKeys,
  replaceBootstrapKeys,
} from "../../../../core/host/install/bootstrap-keys.ts";
import { hostLayoutOf } from "../../../../core/project/layout.ts";
import { type Emulator, startEmulator } from "../../../../emulator/index.ts";
import { project } from "../../../_project.ts";

let emulator: Emulator;
beforeAll(async () => {
  emulator = await startEmulator();
});
afterAll(() => emulator.close());

describe("one-time keys", () => {
  it("are a host's own, since Hetzner refuses the same key twice in a project", async () => {
    const layout = project();
    const hetzner = createHetzner(emulator);
    const register = (name: string, public_key: string) =>
      answerOf("register the key", hetzner.POST("/ssh_keys", { body: { name, public_key } }));
    const keys = await Promise.all(
      ["web-1", "web-2"].map(async (name) => {
        await ensureBootstrapKeys(hostLayoutOf(layout, name), name);
        return readBootstrapKeys(hostLayoutOf(layout, name))?.clientPublicKey ?? "";
      }),
    );
    await register("web-1-bootstrap", keys[0] ?? "");
    await expect(register("operator", keys[0] ?? "")).rejects.toMatchObject({ code: "uniqueness_error" });
    await register("web-2-bootstrap", keys[1] ?? "");
  });

  it("stay until they were used, and are new afterwards", async () => {
    const host = hostLayoutOf(project(), "web-1");
    expect(readBootstrapKeys(host)).toBeUndefined();
    expect(await ensureBootstrapKeys(host, "web-1")).toBe(true);
    const first = readBootstrapKeys(host);
    expect(await ensureBootstrapKeys(host, "web-1")).toBe(false);
    expect(readBootstrapKeys(host)).toEqual(first);
    await replaceBootstrapKeys(host, "web-1");
    const second = readBootstrapKeys(host);
    expect(second?.hostPublicKey).not.toBe(first?.hostPublicKey);
    expect(second?.clientPublicKey).not.toBe(first?.clientPublicKey);
    expect(second?.hostPrivateKey).not.toBe(first?.hostPrivateKey);
  });
});
