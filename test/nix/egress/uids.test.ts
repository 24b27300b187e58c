import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { path } from "../../_debian.ts";
import { describeWith } from "../../_needs.ts";
import { allowed, judge, refused, tcp } from "./lab/_attempts.ts";
import { callNix } from "./lab/_eval.ts";
import { Lab, needs } from "./lab/_lab.ts";
import { internet, uids } from "./lab/_world.ts";

/** What nix/modules declares for them. A host that upstream installed has them with the numbers of the lab. */
const declared = { bot: 40_001, proxy: 40_002 };
const users = { [declared.bot]: "bot-maren", [declared.proxy]: "clawdlets-proxy" };
const policy = {
  mode: "proxy-allowlist",
  botUids: [declared.bot],
  proxyUid: declared.proxy,
  proxyAddresses: { [declared.bot]: "127.0.0.1" },
  users,
};

const passwd = (bot: number | string) => `root:x:0:0::/root:/bin/sh
bot-maren-2:x:1234:1234::/:/bin/sh
bot-maren:x:${bot}:100::/srv/clawdbot/maren:/bin/sh
clawdlets-proxy:x:${uids.proxy}:100::/:/bin/sh
`;

describeWith(needs, "the numbers of users that were there before", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start();
  });
  afterAll(() => lab?.stop());

  /** Runs what a system's activation runs. @returns the rules of this host, and what was said */
  async function activated(text: string) {
    const folder = join(lab.folder, "users");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "passwd"), text);
    const script = await callNix<string>("egress/users.nix", "script", users);
    const env = { PATH: path, FOLDER: folder, PASSWD: join(folder, "passwd") };
    const { exitCode, stderr } = await execa("bash", ["--norc", "-c", script], {
      env,
      extendEnv: false,
      reject: false,
    });
    return {
      exitCode,
      stderr,
      folder,
      ruleset: (await lab.ruleset(policy)).replace("/run/clawdlets-egress-users", folder),
    };
  }
  const unlisted = tcp(internet.unlisted, 443);

  it("are those that the rules are about, and not the declared ones", { timeout: 60_000 }, async () => {
    const { stderr, ruleset, folder } = await activated(passwd(uids.bot));
    expect(stderr).toContain(`bot-maren keeps its number ${uids.bot} (40001 is declared)`);
    await lab.load(ruleset);
    await judge(lab, refused("", "bot", unlisted));
    // Without the file, the declared numbers count, and the bot gets out.
    writeFileSync(join(folder, "users.nft"), "");
    await lab.load(ruleset);
    await judge(lab, allowed("", "bot", unlisted, `tcp ${internet.unlisted} 443`));
  });

  it("are left alone where they are the declared ones, or a user is not there yet", async () => {
    const text = passwd(declared.bot).replace(/^clawdlets-proxy.*\n/m, "");
    const { exitCode, stderr, folder } = await activated(text);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(readFileSync(join(folder, "users.nft"), "utf8")).toBe("");
  });

  it.each(["0", "1; accept"])("are refused where they cannot be a bot's: %j", async (number) => {
    const { exitCode, stderr } = await activated(passwd(number));
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`bot-maren has the number "${number}"`);
  });
});
