import { afterAll, beforeAll, it } from "vitest";
import { describeWith } from "../../_needs.ts";
import { allowed, judge, refused, tcp } from "./lab/_attempts.ts";
import { Lab, needs, type Who } from "./lab/_lab.ts";
import * as world from "./lab/_world.ts";

describeWith(needs, "none, on the wire", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start();
    // From the strictest to none: what is no longer wanted has to go.
    await lab.load(await lab.ruleset({ mode: "proxy-allowlist" }));
    await lab.load(await lab.ruleset({ mode: "none" }));
  });
  afterAll(() => lab?.stop());

  const users: Who[] = ["bot", "proxy", "user", "root", "container"];
  const { mail, mail6, unlisted } = world.internet;

  it.each(users)("%s: everything is open, SMTP too", async (who) => {
    for (const [at, port] of [
      [mail, 25],
      [mail6, 587],
      [unlisted, 22],
    ] as const)
      await judge(lab, allowed("", who, tcp(at, port), `tcp ${at} ${port}`));
  });

  it.each(users.filter((who) => who !== "root"))("%s: the metadata service stays closed", async (who) => {
    for (const at of Object.values(world.metadata)) await judge(lab, refused("", who, tcp(at, 80)));
  });

  it("bot: the tailnet stays closed", async () => {
    for (const at of [world.inside.tailnet, world.inside.magicDns, world.inside.tailnet6]) {
      await judge(lab, refused("", "bot", tcp(at, 443)));
      await judge(lab, allowed("", "user", tcp(at, 443), `tcp ${at} 443`));
    }
  });

  it("root: the metadata service answers", async () => {
    for (const at of Object.values(world.metadata)) await judge(lab, allowed("", "root", tcp(at, 80), `tcp ${at} 80`));
  });
});
