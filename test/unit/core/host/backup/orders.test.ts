import { describe, expect, it } from "vitest";
import { refusedBackup } from "../../../../../core/host/backup/orders.ts";
import { readRefusal } from "../../../../../core/host/reach/refusal.ts";

const refusedWith = (...stderr: string[]) => refusedBackup("web-1", readRefusal(stderr.join("\n"), 1)).headline;

describe("a backup order that the host refuses", () => {
  it.each(["sudo: a password is required", "sudo: /run/current-system/sw/bin/clawdlets-backup: command not found"])(
    "names the setting if the command is missing: %s",
    (said) => {
      expect(refusedWith(said)).toMatchObject({ code: "backup-not-set-up", problem: expect.stringContaining(said) });
    },
  );

  it.each(["missing: stat /srv/backups: No such file or directory", "wrong: this is not allowed"])(
    "is not taken for a host without backups because of its reason: %s",
    (why) => {
      for (const lines of [[], ["clawdlets-backup: code missing"]]) {
        expect(refusedWith(...lines, `clawdlets-backup: refused, nothing changed: ${why}`)).toMatchObject({
          code: "backup-failed",
          problem: `the host refused and changed nothing: ${why}`,
        });
      }
    },
  );

  it("is not said to have changed nothing if the command ended without saying so", () => {
    expect(refusedWith("clawdlets-backup: line 40: printf: write error: No space left on device").problem).toBe(
      "the host did not do it: line 40: printf: write error: No space left on device",
    );
  });

  it("says when to try again if the host is busy", () => {
    const why = "clawdlets-backup: refused, nothing changed: a backup or a restore is in progress";
    expect(refusedWith("clawdlets-backup: code busy", why).fix).toMatch(/^Run the same command again/);
    expect(refusedWith(why).fix).toBeUndefined(); // A host without codes.
  });
});
