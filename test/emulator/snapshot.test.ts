import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { done, type KeyPair, type Lab, newKey, newServer, ssh, startLab, until, userDataWith } from "./_lab.ts";

let lab: Lab;
let client: KeyPair;
let hostKey: KeyPair;
let otherHostKey: KeyPair;

beforeAll(async () => {
  lab = await startLab();
  [client, hostKey, otherHostKey] = [
    await newKey(lab, "client"),
    await newKey(lab, "host"),
    await newKey(lab, "other"),
  ];
});
afterAll(() => lab.stop());

const run = async (host: string, key: KeyPair, command: string) =>
  (await ssh(lab, { user: "root", host, key: client, hostKey: key }, command)).stdout.toString();

test("a server from a snapshot has the files of the disk, and the keys of its own user_data", async () => {
  const first = await newServer(lab, "first", { user_data: userDataWith(hostKey, client) });
  await run(
    first.ipv4,
    hostKey,
    "mkdir -p /srv/kept; echo kept >/srv/kept/file; chmod 640 /srv/kept/file; ln -s file /srv/kept/link",
  );
  const { image } = (await done(lab, "POST", `/servers/${first.id}/actions/create_image`, { type: "snapshot" })).body;
  // Later changes are not in it, and it outlives the server.
  await run(first.ipv4, hostKey, "echo changed >/srv/kept/file");
  await done(lab, "DELETE", `/servers/${first.id}`);
  await until("the snapshot is there", async () => {
    return (await lab.api("GET", `/images/${image.id}`)).body.image.status === "available";
  });
  const second = await newServer(lab, "second", {
    image: String(image.id),
    user_data: userDataWith(otherHostKey, client),
  });
  const seen = await run(second.ipv4, otherHostKey, "cat /srv/kept/link; stat -c '%a %u' /srv/kept/file");
  expect(seen).toBe("kept\n640 0\n");
  // A rebuild starts from the image again.
  await run(second.ipv4, otherHostKey, "rm -r /srv/kept");
  await done(lab, "POST", `/servers/${second.id}/actions/rebuild`, { image: String(image.id) });
  await until("it is back", async () => (await run(second.ipv4, otherHostKey, "cat /srv/kept/file")) === "kept\n");

  await lab.api("DELETE", `/images/${image.id}`);
  expect(readdirSync(join(lab.emulator.dataDir, "images"))).toEqual([]);
  expect(await run(second.ipv4, otherHostKey, "cat /srv/kept/file")).toBe("kept\n");
});
