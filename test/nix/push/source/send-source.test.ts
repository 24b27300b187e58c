import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, expect, it, vi } from "vitest";
import { describeWith } from "../../../_needs.ts";
import { commandLinesWith } from "../../tailnet/_command-lines.ts";
import { needs, problemOf } from "../_machines.ts";
import { sendingLab, token } from "./_sending.ts";

// Machines start, and copies wait for each other, on machines that do other things as well.
vi.setConfig({ testTimeout: 120_000 });
afterEach(() => void vi.unstubAllEnvs());

describeWith(
  needs,
  "a source that is sent to a host that builds, with the real nix, git, sshd and clawdlets-activate",
  () => {
    it.each([
      ["a commit that is not pushed", false],
      ["changes that are not committed", true],
    ])("%s: the host builds it without fetching anything, and no token reaches it", async (_, dirty) => {
      const { git, layout, host, change, head, runs, releases, reports, leaks } = await sendingLab();
      if (dirty) appendFileSync(join(layout.root, "flake.nix"), "# changed\n");
      const commit = await head();
      let served = 0;
      const work = change((text) => {
        if (!text.startsWith("prepared")) return;
        served = git.served;
        void git.stop();
      });
      const { found, result } = await commandLinesWith(token, work);
      expect(found).toEqual(new Set());
      expect(result).toMatchObject({ changed: true, rev: commit, dirty });
      expect(await runs()).toBe(result.systemPath);
      const { stdout: words } = await host.sh(`cat ${result.systemPath}/words`);
      expect(words).toMatch(new RegExp(`^private words ${dirty ? "dirty" : commit} [1-9][0-9]{9}$`));
      expect(served).toBeGreaterThan(0);
      expect(git.served).toBe(served);
      const [kept] = releases().map((line) => JSON.parse(line));
      expect(kept).toMatchObject({ commit, dirty, what: expect.stringMatching(/^source:\/nix\/store\/.*-source\?/) });
      const note = dirty ? ", with changes that are not committed," : "";
      expect(reports).toContain(`fetching commit ${commit}${note} on this machine, and sending its source to the host`);
      expect(await leaks()).toEqual([]);
      expect((await host.sh("cat /run/journal")).stdout).not.toContain("unable to");
    });

    it("would be seen to have a token in its source, its files or its logs, or on a command line", async () => {
      const { host, change, leaks } = await sendingLab({ comment: `# ${token}\n` });
      const { found, result } = await commandLinesWith(token, change());
      expect([found, result.changed]).toEqual([new Set(), true]);
      expect(await leaks()).toEqual([expect.stringMatching(/^\/nix\/store\/[^/]+-source\/flake\.nix$/)]);
      const encoded = Buffer.from(`oauth2:${token}`).toString("base64");
      const planted: [file: string, text: string][] = [
        ["/root/.git-credentials", `http://oauth2:${token}@127.0.0.1`],
        ["/etc/nix/netrc", `password ${token}`],
        ["/run/journal", `authorization: Basic ${encoded}`],
        ["/var/lib/clawdlets/activation/x", Buffer.from(token).toString("base64")],
      ];
      for (const [file, text] of planted) await host.sh(`echo '${text}' >>${file}`);
      expect(await leaks()).toEqual(expect.arrayContaining(planted.map(([file]) => file)));
      const shown = await commandLinesWith(token, execa("sh", ["-c", `sleep 1; : ${token}`]));
      expect(shown.found.size).toBe(1);
    });

    it.each([
      ["its line is cut", "cut"],
      ["the command is stopped", "stop"],
    ])("leaves the host as it was when %s while the source is copied, and continues", async (_, how) => {
      const { host, line, change, runs } = await sendingLab({ padding: 8_000_000 });
      const before = await runs();
      const stop = new AbortController();
      const { held, release } = line.holdAfter(2_000_000);
      const failed = problemOrStop(change(undefined, stop));
      await held;
      if (how === "cut") line.cut();
      else stop.abort(new Error("Ctrl-C"));
      expect(await failed).toMatch(
        how === "cut" ? /lost contact\. Nothing was changed\. .* continues with what is missing/ : /Ctrl-C/,
      );
      release();
      expect(await runs()).toBe(before);
      expect((await host.sh("ls /var/lib/clawdlets")).stdout).toBe("");
      expect(await change()).toMatchObject({ changed: true });
    });

    it("evaluates to the same derivation on the host as on the operator's machine", async () => {
      const { layout, change, head } = await sendingLab();
      const wanted = `git+file://${layout.root}?rev=${await head()}#nixosConfigurations.web-1.config.system.build.toplevel.outPath`;
      const flags = ["--extra-experimental-features", "nix-command flakes"];
      const { stdout } = await execa("nix", [...flags, "eval", "--raw", wanted]);
      expect((await change()).systemPath).toBe(stdout);
    });

    it("is refused by the host if no key that it trusts has signed it", async () => {
      const foreign = `other-1:${"A".repeat(43)}=`;
      const { change, runs, git } = await sendingLab({ keys: foreign });
      const before = [await runs(), git.served];
      const [problem] = (await problemOf(change())).problems;
      expect(problem).toMatchObject({ code: "key-missing", problem: expect.stringContaining("signed by other-1") });
      expect([await runs(), git.served]).toEqual(before);
    });

    it("says that an input could not be fetched, and changes nothing", async () => {
      const { operator, git, change, runs, host } = await sendingLab();
      const before = await runs();
      await git.stop();
      for (const folder of ["store", "home/.cache"]) {
        await execa("chmod", ["-R", "u+w", join(operator.folder, folder)]);
        await execa("rm", ["-rf", join(operator.folder, folder)]);
      }
      const [problem] = (await problemOf(change())).problems;
      expect(problem?.problem).toMatch(
        /^the flake and its inputs could not be fetched here: .* Nothing was changed\.$/s,
      );
      expect(problem?.fix).toContain("nix flake archive 'git+file://");
      expect(await runs()).toBe(before);
      expect((await host.sh("ls /var/lib/clawdlets")).stdout).toBe("");
    });

    it("says that flake.lock is behind flake.nix", async () => {
      const { layout, change, run } = await sendingLab();
      await run("rm", "--quiet", "--cached", "flake.lock");
      await execa("rm", [join(layout.root, "flake.lock")]);
      const [problem] = (await problemOf(change())).problems;
      expect(problem).toMatchObject({ code: "flake-invalid", fix: expect.stringContaining("nix flake lock") });
      expect(existsSync(join(layout.root, "flake.lock"))).toBe(false);
    });

    it("says that the host has no space for a build, before anything is fetched", async () => {
      const { change, runs, git } = await sendingLab({ size: "1200m" });
      const before = [await runs(), git.served];
      expect((await problemOf(change())).problems).toEqual([expect.objectContaining({ code: "disk-full" })]);
      expect([await runs(), git.served]).toEqual(before);
    });
  },
);

const problemOrStop = (work: Promise<unknown>) =>
  work.then(
    () => "it succeeded",
    (error: unknown) => String(error),
  );
