import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UserError } from "../../../../core/base/errors.ts";
import { bootstrapRoute } from "../../../../core/host/install/bootstrap-keys.ts";
import { firstContact } from "../../../../core/host/install/first-contact.ts";
import { intoInstaller } from "../../../../core/host/install/into-installer.ts";
import { ssh } from "../../../../core/host/reach/ssh.ts";
import type { Installation } from "../../../../core/host/request.ts";
import { knock, type Lab, startLab, until } from "../../../emulator/_lab.ts";
import { host, newInstallation } from "./_new-server.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(() => lab.stop());

const failedKexec = Object.assign(new UserError("web-1: kexec failed"), { kind: "kexec-failed" });
const neverLeaves = () => Promise.reject(failedKexec);

/** Runs something that takes the server down, and waits until nothing answers. */
const goesDown = (installation: Installation, command: string) => async () => {
  const { facts, local } = installation;
  const route = await bootstrapRoute(host, "web-1", { address: facts.address, port: local.sshPort });
  await ssh(route, command, { timeoutSeconds: 20 });
  await until("the server goes down", async () => (await knock(facts.address, local.sshPort)) !== "open");
};

describe("a kexec that does not end in the installer", () => {
  it.each([
    ["failed where it was", () => neverLeaves, "kexec failed, and the server never left debian-12"],
    [
      "came back to the image",
      (installation: Installation) => goesDown(installation, "reboot"),
      "the server booted debian-12 again",
    ],
  ])("is told as it was, when it %s, and is tried again", async (_, first, words) => {
    const { installation, said } = await newInstallation(lab);
    await firstContact(installation);
    const tries = [first(installation), goesDown(installation, "kexec")];
    await intoInstaller(installation, async () => await tries.shift()?.());
    expect(said).toEqual([`${words}; trying again after 1 of 3 attempts`]);
    expect(tries).toEqual([]);
  });

  it("is given up after three tries, with kexec's own failure", async () => {
    const { installation, said } = await newInstallation(lab);
    await firstContact(installation);
    await expect(intoInstaller(installation, neverLeaves)).rejects.toBe(failedKexec);
    expect(said).toHaveLength(2);
  });
});
