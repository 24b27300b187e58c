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
  installId: "e7c11feec8b95487",
  systemPath: `/nix/store/${"0".repeat(32)}-nixos-system-${name}-26.05`,
  seenOn: "host",
  secrets: { count: 3, oldestDays: 12, oldest: "tailscale_auth_key" },
  drift: {},
  cost: { monthlyNet: 16.49, currency: "EUR" },
  problems: [],
  ...change,
});

describeWith({ programs: ["chromium-headless-shell"] }, "the status page in a browser", () => {
  it.each([1280, 400])(
    "shows every host at %i pixels, asks for nothing, and runs nothing that a host says",
    async (width) => {
      const file = join(temporaryFolder(), "status.html");
      const attack =
        '<img src="http://198.51.100.1/x" onerror="document.title = 1"><script>document.title = 2</script>';
      const hosts = [host("web-1"), host("web-2", { ok: false, ssh: "open", problems: [attack] })];
      writeFileSync(file, pageOf(hosts, new Date("2026-03-11T00:00:00Z")));
      const page = await openPage(file, width);
      try {
        const texts = (selector: string) =>
          `[...document.querySelectorAll('${selector}')].map((each) => each.innerText)`;
        expect(await page.evaluate(texts("tbody td:first-child"))).toEqual(["web-1", "web-2"]);
        expect(await page.evaluate(texts("tbody tr:nth-child(2) td:nth-child(5)"))).toEqual(["open"]);
        expect(await page.evaluate(texts("li"))).toEqual([`web-2: ${attack}`]);
        expect(await page.evaluate("document.title")).toBe("clawdlets: 2 hosts");
        // The page itself does not scroll sideways: the table does, where it has to.
        expect(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
        expect(
          await page.evaluate("getComputedStyle(document.querySelector('tr.problem td:nth-child(2)')).color"),
        ).toBe("rgb(194, 65, 12)");
        expect(page.requests).toEqual([`file://${file}`]);
      } finally {
        await page.close();
      }
    },
    60_000,
  );
});
