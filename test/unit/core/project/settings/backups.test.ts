import { describe, expect, it } from "vitest";
import { checkStackConfig } from "../../../../../core/project/settings/stack-config/check.ts";

const repository = "s3:https://nbg1.your-objectstorage.com/backups/web-1";
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjTrP2PB+7IVvyoXcRhlWo8aac6mXJvuWm57bHZKIdI";
const problemsOf = (backups: unknown) =>
  checkStackConfig({ backups }, "f").problems.filter(({ setting }) => setting?.startsWith("clawdlets:backups"));

describe("clawdlets:backups", () => {
  it.each([
    { repository },
    JSON.stringify({ repository }),
    { repository, schedule: "Mon..Fri *-*-* 03:00:00", randomDelay: "30min", keep: { daily: 0, monthly: 240 } },
    { repository, keep: { daily: 365, weekly: 520 }, maxAgeHours: 1 },
    { repository, maxAgeHours: "8760", addresses: ["10.0.0.0/8", "fd00::1"], exclude: ["*.tmp"], skip: ["maren"] },
    { repository: "sftp://u@x.example:23/web-1", hostKey },
    { repository: "rest:https://10.0.0.5:8000/web-1/" },
  ])("takes %j", (value) => expect(problemsOf(value)).toEqual([]));

  it.each([
    [{}, "repository"],
    [{ repository: "/srv" }, "repository"],
    [{ repository: "s3:https://key:canary-secret@x.example/b" }, "repository"],
    [{ repository: "sftp://u@x.example/b" }, "hostKey"],
    [{ repository, hostKey: "ssh-ed25519" }, "hostKey"],
    [{ repository, schedule: "daily\nExecStart=/bin/sh" }, "schedule"],
    [{ repository, randomDelay: "a while" }, "randomDelay"],
    [{ repository, keep: { daily: 366 } }, "keep"],
    [{ repository, keep: { daily: -1 } }, "keep"],
    [{ repository, keep: { hourly: 1 } }, "keep"],
    [{ repository, maxAgeHours: 0 }, "maxAgeHours"],
    [{ repository, maxAgeHours: 8761 }, "maxAgeHours"],
    [{ repository, exclude: ["a\nb"] }, "exclude"],
    [{ repository, addresses: ["nas.local"] }, "addresses"],
    [{ repository, password: "x" }, ""],
    ["yes", ""],
  ])("refuses %j", (value, setting) => {
    const [problem, ...more] = problemsOf(value);
    expect(more).toEqual([]);
    expect(problem?.setting).toContain(setting);
    expect(JSON.stringify(problem)).not.toContain("canary");
  });
});
