import { afterAll, beforeAll, expect, it } from "vitest";
import { waitForActions } from "../../../../core/base/hetzner/actions.ts";
import { answerOf, createHetzner } from "../../../../core/base/hetzner/client.ts";
import { type Emulator, startEmulator } from "../../../../emulator/index.ts";

let emulator: Emulator;
beforeAll(async () => {
  emulator = await startEmulator({ actionMs: 1 });
});
afterAll(() => emulator.close());

const what = "close the window";
const unlisted = { id: 4_000_000_000, status: "running", error: null } as const;

it("takes an action that Hetzner does not list for failed, not for finished", async () => {
  const hetzner = createHetzner(emulator);
  const body = { name: "web-1", server_type: "cx23", image: "debian-12", start_after_create: false };
  const { action } = await answerOf(what, hetzner.POST("/servers", { body }));
  const limits = { what, timeoutSeconds: 10 };
  await expect(waitForActions(hetzner, [action, unlisted], limits)).rejects.toMatchObject({
    exitCode: 6,
    message:
      "Nothing shows that Hetzner could close the window: it does not list the action 4000000000. Run the same command again.",
  });
  await waitForActions(hetzner, [action], limits);
});
