import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bootstrapRoute } from "../../../../core/host/install/bootstrap-keys.ts";
import { firstContact } from "../../../../core/host/install/first-contact.ts";
import { ssh } from "../../../../core/host/reach/ssh.ts";
import type { Installation } from "../../../../core/host/request.ts";
import { done, type Lab, startLab } from "../../../emulator/_lab.ts";
import { host, newInstallation } from "./_new-server.ts";

/** On a server of the emulator whose cloud-init is at work for a while after sshd answers, and then restarts sshd. */
let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ bootMs: 1000 });
});
afterAll(() => lab.stop());

async function cloudInitStatus({ facts, local }: Installation): Promise<string> {
  const route = await bootstrapRoute(host, "web-1", { address: facts.address, port: local.sshPort });
  return (await ssh(route, "cloud-init status", { timeoutSeconds: 10 })).stdout;
}

describe("the first contact with a new server", () => {
  it("is over only when cloud-init has restarted sshd and ended", async () => {
    const { installation } = await newInstallation(lab);
    expect(await firstContact(installation)).toBe("bootstrap");
    expect(await cloudInitStatus(installation)).toBe("status: done\n");
  });

  it("ends with what it waited for where cloud-init does not end", async () => {
    const { installation, id } = await newInstallation(lab);
    await done(lab, "POST", `/_emulator/servers/${id}/command-faults`, [
      { command: "cloud-init", exitCode: 1, stderr: "", hangs: true, times: 100 },
    ]);
    await expect(firstContact(installation, 30, 2)).rejects.toThrow(
      /^web-1: cloud-init has not finished within 2 s\. /,
    );
  });

  it.each([
    ["ended with errors", 1],
    ["recovered from errors", 2],
    ["is not there", 127],
  ])("goes on where cloud-init %s: what counts is that root gets in", async (_, exitCode) => {
    const { installation, id } = await newInstallation(lab);
    await done(lab, "POST", `/_emulator/servers/${id}/command-faults`, [
      { command: "cloud-init", exitCode, stderr: "" },
    ]);
    expect(await firstContact(installation)).toBe("bootstrap");
  });
});
