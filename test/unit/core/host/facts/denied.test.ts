import { expect, it } from "vitest";
import { deniedIn, readDenied } from "../../../../../core/host/facts/denied.ts";

const line = (url: string, at = "2026-11-27T10:00:00+0000") =>
  `${at} web-1 tinyproxy[812]: NOTICE    Nov 27 10:00:00.123 [812]: Proxying refused on filtered url "${url}"`;

it("counts refusals by domain, with the last time of each", () => {
  const journal = [
    "-- Boot 0123456789abcdef --",
    line("api.example.com:443"),
    "2026-11-27T10:00:01+0000 web-1 systemd[1]: Started Egress proxy.",
    line("API.example.com:443", "2026-11-27T11:00:00+0000"),
    line("cdn.example.com:443"),
    "",
  ];
  expect(deniedIn("maren", journal.join("\n"))).toEqual([
    {
      bot: "maren",
      target: "API.example.com:443",
      domain: "api.example.com",
      count: 2,
      last: "2026-11-27T11:00:00+0000",
    },
    {
      bot: "maren",
      target: "cdn.example.com:443",
      domain: "cdn.example.com",
      count: 1,
      last: "2026-11-27T10:00:00+0000",
    },
  ]);
});

it.each([
  "10.0.0.1:443",
  "api.example.com:8443",
  "localhost:443",
  "http://api.example.com/",
  'a" ]; b = [ "c.example:443',
  "[::1]:443",
  "",
])("offers nothing to allow for %j", (url) => {
  const [denied] = deniedIn("maren", line(url));
  expect(denied?.domain).toBeUndefined();
  expect(denied?.count).toBe(1);
});

it("hides control characters and the rest of what is very long", () => {
  const [denied] = deniedIn("maren", line(`\u001b[31m${"x".repeat(5000)}:443`));
  expect(denied?.target).not.toContain("\u001b");
  expect(denied?.target.length).toBeLessThan(300);
});

it("asks for each bot's own journal, and sorts by count", async () => {
  const asked: string[] = [];
  const run = async (command: string) => {
    asked.push(command);
    const lines = command.includes("-rex.") ? [line("a.example:443"), line("a.example:443")] : [line("b.example:443")];
    return { exitCode: 0, stdout: lines.join("\n"), stderr: "" };
  };
  const denied = await readDenied("web-1", run, ["maren", "rex"], "2h");
  expect(denied.map(({ bot, domain, count }) => [bot, domain, count])).toEqual([
    ["rex", "a.example", 2],
    ["maren", "b.example", 1],
  ]);
  expect(asked[0]).toBe(
    "sudo -n /run/current-system/sw/bin/journalctl --no-pager --output=short-iso --unit=clawdlets-egress-proxy-maren.service --lines=20000 --since=-2h",
  );
});

it("says what to do where the host does not let it read the journal", async () => {
  const run = async () => ({ exitCode: 1, stdout: "", stderr: "sudo: a password is required\n" });
  await expect(readDenied("web-1", run, ["maren"], "1h")).rejects.toThrow(
    /clawdlets-egress-proxy-maren\.service: sudo: a password is required.*clawdlets rebuild --host web-1/s,
  );
});
