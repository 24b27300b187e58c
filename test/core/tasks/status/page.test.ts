import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pageOf } from "../../../../core/tasks/status/page.ts";
import type { HostStatus } from "../../../../core/tasks/status/status.ts";
import { describeWith } from "../../../_needs.ts";
import { temporaryFolder } from "../../../_project.ts";
import { openPage } from "./_browser.ts";

const host = (name: string, change: Partial<HostStatus> = {}): HostStatus => ({
  host: name,
  ok: true,
  server: { id: 7, type: "cx43", location: "nbg1", state: "running" },
  ipv4: "203.0.113.7",
  ipv6: "2001:db8:4c4:b402::1",
  ssh: "closed",
  tailnet: "answers",
  tailnetKeyExpires: "2027-03-01",
  installId: "e7c11feec8b95487",
  systemPath: `/nix/store/${"0".repeat(32)}-nixos-system-${name}-26.05`,
  seenOn: "host",
  revision: "0123456789ab".padEnd(40, "0"),
  systemSince: "2026-02-27T00:00:00Z",
  systemDays: 12,
  secrets: { count: 3, oldestDays: 12, oldest: "tailscale_auth_key" },
  bots: [
    { bot: "maren", state: "active", health: { ok: true, status: "live" }, version: "2026.9.6", restarts: 0 },
    { bot: "rex", state: "failed", restarts: 7, since: "Tue 2026-03-10 07:12:03 UTC" },
  ],
  lastChange: "rolled back from 0123456789ab: no login over a new connection within 300 s",
  drift: {},
  cost: { monthlyNet: 16.49, currency: "EUR" },
  timeline: [
    { at: "2026-03-10T08:00:00Z", kind: "window", text: "TCP/22 closed by install" },
    { at: "2026-03-10T07:00:00Z", kind: "installation", text: "installation e7c11feec8b95487 started" },
  ],
  problems: [],
  ...change,
});

/** Words that the browser broke: every piece of text between spaces and hyphens stands on one line, and so does a date. */
const brokenWords = `(() => {
  for (const each of document.querySelectorAll("details")) each.open = true;
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const broken = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.parentElement.closest(".problems")) continue; // What a host says may be a single long word.
    for (const { 0: word, index } of node.data.matchAll(/\\d{4}-\\d\\d-\\d\\d|[^\\s-]+/g)) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      if (new Set([...range.getClientRects()].map(({ top }) => top)).size > 1) broken.push(word);
    }
  }
  return broken;
})()`;

const shown = `[...document.querySelectorAll("article")]
  .map((each) => [getComputedStyle(each), each.querySelector(".name").textContent])
  .filter(([{ display }]) => display !== "none")
  .map(([{ order }, name]) => [Number(order), name])
  .sort(([a], [b]) => a - b)
  .map(([, name]) => name)`;

describeWith({ programs: ["chromium-headless-shell"] }, "the status page in a browser", () => {
  it.each([1280, 800, 400])(
    "at %i pixels shows a hundred hosts, breaks no word, asks for nothing, and runs nothing that a host says",
    async (width) => {
      const file = join(temporaryFolder(), "status.html");
      const attack =
        '<img src="http://198.51.100.1/x" onerror="document.title = 1"><script>document.title = 2</script>';
      const hosts = Array.from({ length: 100 }, (_, index) => host(`web-${index + 1}`));
      hosts[1] = host("web-2", {
        ok: false,
        ssh: "open",
        cost: { monthlyNet: 99, currency: "EUR" },
        systemDays: 400,
        secrets: { count: 1, oldestDays: 400, oldest: "discord_token_maren" },
        tailnetKeyExpires: "2026-03-12",
        problems: [`web-2: ${attack}`],
      });
      writeFileSync(file, pageOf(hosts, new Date("2026-03-11T00:00:00Z")));
      const page = await openPage(file, width);
      try {
        const names = hosts.map(({ host: name }) => name);
        const others = names.filter((name) => name !== "web-2");
        const choose = async (id: string) => page.evaluate(`document.getElementById("${id}").click()`);
        expect(await page.evaluate(shown)).toEqual(["web-2", ...others]);
        await choose("order-name");
        expect(await page.evaluate(shown)).toEqual(names);
        for (const order of ["cost", "system", "secrets", "key"]) {
          await choose("order-name");
          await choose(`order-${order}`);
          expect(await page.evaluate(shown), order).toEqual(["web-2", ...others]);
        }
        await choose("show-problem");
        expect(await page.evaluate(shown)).toEqual(["web-2"]);
        await choose("show-ok");
        expect(await page.evaluate(shown)).toEqual(others);
        await choose("show-all");
        expect(await page.evaluate(brokenWords)).toEqual([]);
        expect(await page.evaluate(`document.querySelector(".problems li").innerText`)).toBe(attack);
        expect(await page.evaluate("document.title")).toBe("clawdlets: 100 hosts");
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
        expect(await page.evaluate("window.innerWidth")).toBe(width);
        expect(page.requests).toEqual([`file://${file}`]);
      } finally {
        await page.close();
      }
    },
    60_000,
  );
});
