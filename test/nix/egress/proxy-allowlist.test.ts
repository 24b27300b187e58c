import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWith } from "../../_needs.ts";
import { allowed, judge, summary, tcp } from "./lab/_attempts.ts";
import { direct } from "./lab/_direct-attempts.ts";
import { callNix } from "./lab/_eval.ts";
import { Lab, needs } from "./lab/_lab.ts";
import { throughProxy } from "./lab/_proxy-attempts.ts";
import * as world from "./lab/_world.ts";

const policy = { mode: "proxy-allowlist", loopbackPorts: { [world.uids.bot]: [18789] } };
// The environment is what the function says; the test below compares.
const url = `http://127.0.0.1:${world.proxyPort}`;
const env = { HTTP_PROXY: url, HTTPS_PROXY: url, http_proxy: url, https_proxy: url };
const attempts = [...direct, ...throughProxy(env)];

describeWith(needs, "proxy-allowlist, on the wire", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start();
    await lab.load(await lab.ruleset(policy));
    await lab.startProxy();
  });
  afterAll(async () => {
    await lab?.stop();
    process.stdout.write(`egress, proxy-allowlist: ${summary(attempts)}\n`);
  });

  it.each(attempts.map((attempt) => [`${attempt.who}: ${attempt.name}`, attempt] as const))(
    "%s",
    async (_, attempt) => {
      await judge(lab, attempt);
    },
  );

  it("has at least 60 attempts, and both kinds", () => {
    expect(attempts.filter(({ reaches }) => reaches === null).length).toBeGreaterThanOrEqual(60);
    expect(attempts.filter(({ reaches }) => reaches !== null).length).toBeGreaterThan(10);
  });

  it("asks the resolver for listed names alone, so that a question carries nothing out", () => {
    const domains = lab.asked.map((line) => /query\[\w+\] (\S+) from/.exec(line)?.[1] ?? line);
    expect(domains).toContain("ten.inside.example");
    const listed = /^(api|only4|only6)\.listed\.example$|(^|\.)(wide|inside)\.example$/i;
    expect(domains.filter((name) => !listed.test(name))).toEqual([]);
  });

  it("gives a bot the environment that the attempts were made with", async () => {
    const { mode } = policy;
    expect(await callNix("egress", "units.botEnvironment", { mode, proxyPort: world.proxyPort })).toMatchObject(env);
  });

  it("lets a bot answer those who connect to it", async () => {
    await lab.attempt("bot", { kind: "listen", port: 18700 });
    await judge(lab, allowed("", "user", tcp("127.0.0.1", 18700), "tcp 127.0.0.1 18700", []));
  });

  it("ends a connection of a milder mode", async () => {
    // A FIFO in a folder that the bot can look into: opening it is where both wait for each other.
    const fifo = join(mkdtempSync(join(tmpdir(), "clawdlets-fifo-")), "fifo");
    await execa("mkfifo", ["-m", "644", fifo]);
    await execa("chmod", ["755", dirname(fifo)]);
    try {
      await lab.load(await lab.ruleset({ mode: "smtp-only" }));
      const keeps = `from socket import *
s = create_connection(("${world.internet.unlisted}", 443)); s.settimeout(2)
s.send(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); print("before", s.recv(4096))
open("${fifo}").read()
s.send(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); print("after", s.recv(4096))`;
      const attempt = lab.attempt("bot", { kind: "run", command: ["/usr/bin/python3", "-c", keeps] });
      const handle = await open(fifo, "w");
      await lab.load(await lab.ruleset(policy));
      await handle.close();
      const { answer } = await attempt;
      expect(answer.text).toContain("before b'HTTP/1.1 200 OK");
      expect(answer.text).toContain("ConnectionResetError");
    } finally {
      rmSync(dirname(fifo), { recursive: true });
      await lab.load(await lab.ruleset(policy));
    }
  });

  it("lets a container out where its interface is named", async () => {
    await lab.load(await lab.ruleset({ ...policy, forwardFrom: ["to-container"] }));
    const { unlisted, mail } = world.internet;
    await judge(lab, allowed("", "container", tcp(unlisted, 443), `tcp ${unlisted} 443`));
    await judge(lab, { name: "", who: "container", command: tcp(mail, 25), reaches: null });
    await judge(lab, { name: "", who: "container", command: tcp(world.metadata.v4, 80), reaches: null });
  });
});
