import { describe, expect, test } from "vitest";
import { exitCodes } from "../../../../../core/base/exit-codes.ts";
import { formatReport } from "../../../../../engine/preview/plan/format.ts";
import {
  exitCodeOf,
  type HostReport,
  type PreviewReport,
  verdictOf,
  worstOf,
} from "../../../../../engine/preview/plan/report.ts";

const host = (more: Partial<HostReport> = {}): HostReport => ({
  host: "web-1",
  file: "stacks/Pulumi.web-1.yaml",
  verdict: "clean",
  exists: "cx43 in nbg1, debian-12; TCP/22 closed",
  changes: [],
  dangers: [],
  differences: [],
  violations: [],
  problems: [],
  notes: [],
  seconds: 1,
  ...more,
});
const report = (hosts: HostReport[]): PreviewReport => ({
  comparedWith: "main",
  verdict: worstOf(hosts),
  hosts,
  differences: [],
  notes: [],
});
const change = { op: "update", resource: "s", kind: "Server", properties: ["serverType"] };
const danger = { kind: "opening", resource: "fw", message: "tcp/22 from everywhere" } as const;
const violation = { rule: "r", severity: "high", resource: "s", message: "m" };
const problem = {
  code: "invalid-value",
  subject: "f",
  at: { file: "f", line: 3 },
  setting: "s",
  problem: "m",
} as const;

describe("the verdict", () => {
  test.each([
    ["clean", {}],
    ["clean", { violations: [{ ...violation, mandatory: false }] }],
    ["changes", { changes: [change] }],
    ["dangerous", { changes: [change], dangers: [danger] }],
    ["dangerous", { violations: [{ ...violation, mandatory: true }] }],
    ["invalid", { dangers: [danger], problems: [problem] }],
  ] as const)("is %s for %j", (verdict, more) => expect(verdictOf(host(more as Partial<HostReport>))).toBe(verdict));

  test("of all hosts is that of the worst, and the exit code says it", () => {
    const verdicts = ["changes", "clean", "dangerous"] as const;
    expect(worstOf(verdicts.map((verdict) => host({ verdict })))).toBe("dangerous");
    expect(worstOf([])).toBe("clean");
    expect((["clean", "changes", "dangerous", "invalid"] as const).map(exitCodeOf)).toEqual([
      exitCodes.ok,
      exitCodes.changes,
      exitCodes.dangerous,
      exitCodes.settings,
    ]);
  });
});

describe("a table in a pull request", () => {
  test("has a row for each host, whatever its author wrote, and nothing that GitHub acts on", () => {
    const evil = "x | y\n| ✅ clean | `fake` | <img src=x> [a](http://e.invalid) @someone `b` \u202e \u001b[31m";
    const text = formatReport(
      report([
        host({ verdict: "invalid", problems: [{ ...problem, setting: evil, problem: evil }] }),
        host({ host: "a`|b", verdict: "changes", changes: [{ ...change, properties: [evil] }] }),
      ]),
      "markdown",
    );
    const rows = text.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| ---"));
    expect(rows).toHaveLength(3);
    expect(rows[2]).toMatch(/^\| 🔷 changes \| `a'\\\|b` \|/);
    for (const row of rows.slice(1)) expect(row.match(/(?<!\\)\|/g)).toHaveLength(6);
    expect(text).not.toMatch(/@someone|(?<!\\)<img|(?<!\\)\[a|http:\/\/e/);
    expect(text).not.toContain("\u202e");
    expect(text).not.toContain("\u001b");
  });

  test("a token in a message is not shown in any format", () => {
    const token = `tskey-auth-${"k0aB".repeat(5)}`;
    const said = report([host({ verdict: "invalid", problems: [{ ...problem, problem: `is ${token}` }] })]);
    for (const format of ["text", "markdown"] as const) expect(formatReport(said, format)).not.toContain(token);
  });
});

test("text for a terminal: a line a host, what is to be said of it below", () => {
  const said = report([
    host(),
    host({ host: "w2", verdict: "dangerous", changes: [change], dangers: [danger], notes: ["n"] }),
  ]);
  expect(formatReport(said, "text")).toBe(
    [
      "2 hosts, dangerous; compared with main",
      "clean      web-1  cx43 in nbg1, debian-12; TCP/22 closed  none",
      "dangerous  w2     cx43 in nbg1, debian-12; TCP/22 closed  update Server (serverType)  opening",
      "    opening: fw tcp/22 from everywhere",
      "    note: n",
      "",
    ].join("\n"),
  );
});
