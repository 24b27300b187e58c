import { expect, it } from "vitest";
import { checkTool } from "../../_check-tools.ts";
import { describeWith, leaveOut } from "../../_needs.ts";
import { folderOfFile } from "../bots/_folder.ts";
import { BackupMachine, otherAt, uids } from "./_backup-machine.ts";

const needs = {
  programs: ["unshare", "nsenter", "setpriv", "nix-instantiate", "restic", "nft", "tinyproxy", "ip", "openssl"],
  root: true,
  cgroup: true,
};
const id = "0123456789abcdef";

describeWith(needs, "backups in their units, under a real systemd", () => {
  it.for([
    ["s3", "versitygw"],
    ["rest", "rest-server"],
  ] as const)(
    "save bots through the proxy to %s, see nothing else, and restore them",
    { timeout: 600_000 },
    async ([kind, name], context) => {
      const program = await checkTool(name);
      if (program === undefined) return leaveOut(context, `backups to ${kind}`, `${name} is not built`);
      const host = new BackupMachine(folderOfFile(), kind, program);
      context.onTestFinished(() => host.machine.losePower());
      await host.boot();
      await host.must(`cd /srv/clawdbot/maren && echo state >state && mkdir deep && head -c 100000 /dev/urandom >deep/blob
      ln -s /etc/shadow link && ln -s ../rex/state other && chmod 400 state && chown -Rh ${uids.maren}:${uids.maren} .
      echo of-rex >../rex/state && chown ${uids.rex} ../rex/state`);
      const before = await host.contentOf("maren");
      expect((await host.order("now")).exitCode).toBe(0);
      const state = await host.settled();
      expect(state.bots, await host.logs()).toMatchObject({ maren: { problem: "" }, rex: { problem: "" } });
      // The proxy ran meanwhile alone.
      expect((await host.machine.run("systemctl", "is-active", "clawdlets-backup-proxy")).stdout).not.toBe("active");

      const listed = await host.order("list");
      expect(JSON.parse(listed.stdout.split("\n").at(-1) ?? "")).toHaveLength(2);

      await host.must("rm -rf /srv/clawdbot/maren/* && echo newer >/srv/clawdbot/maren/state");
      expect((await host.order(`restore ${id} maren latest in-place`)).exitCode).toBe(0);
      expect((await host.settled()).restore, await host.logs()).toMatchObject({ phase: "done", result: "restored" });
      expect(await host.contentOf("maren")).toBe(before);
      expect((await host.machine.run("systemctl", "is-active", "clawdbot-maren")).stdout).toBe("active");
      expect(await host.must("cat /srv/clawdbot/.replaced/maren/state")).toBe("newer");

      // What the unit sees and reaches, by a program of the test's in restic's place.
      const probe = await host.instead(
        "clawdlets-backup@maren",
        `ls /srv/clawdbot; cat /etc/shadow /srv/clawdbot/rex/state /var/lib/sops-nix/key.txt /run/secrets/restic_password 2>&1
       touch /srv/clawdbot/maren/x 2>&1; cat /srv/clawdbot/maren/state
       for at in ${otherAt}/443 127.0.0.1/22 93.184.216.34/8443; do (: <>/dev/tcp/$at) 2>/dev/null && echo reached $at || echo refused; done
       for to in other.example:8443 s3.provider.example:443 s3.provider.example:8443; do
         exec 3<>/dev/tcp/127.63.0.1/3128; printf 'CONNECT %s HTTP/1.0\\r\\n\\r\\n' $to >&3; head -n 1 <&3 | tr -d '\\r'; exec 3>&-
       done`,
      );
      expect(probe.split("\n").map((line) => line.replace(/^.*: /, ""))).toEqual([
        "maren",
        // Nothing of /etc/shadow: an empty file is in its place.
        ...["No such file or directory", "No such file or directory", "No such file or directory"],
        "Read-only file system",
        "state",
        ...["refused", "refused", "refused"],
        ...["HTTP/1.0 403 Filtered", "HTTP/1.0 403 Access violation", "HTTP/1.0 200 Connection established"],
      ]);

      // Down, and up again.
      await host.must("systemctl stop bucket");
      await host.must(
        "sed -i 's/^Environment=\"LIMIT_SECONDS=.*/Environment=LIMIT_SECONDS=4/' /etc/systemd/system/clawdlets-backup@.service && systemctl daemon-reload",
      );
      await host.order("now");
      expect((await host.settled()).bots).toMatchObject({
        maren: { problem: "unreachable", good: expect.stringMatching(/Z$/) },
      });
      for (const secret of host.secrets) {
        expect(await host.logs()).not.toContain(secret);
        expect(JSON.stringify(await host.state())).not.toContain(secret);
      }
    },
  );
});
