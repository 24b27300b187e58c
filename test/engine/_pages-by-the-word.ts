export type Page = "quickstart" | "day-two" | "updates" | "recovery";

export interface Step {
  page: Page;
  /** As on the page, without its comment. */
  line: string;
  /** Why it is not typed here. */
  left?: string;
  /** @default 0 */
  exit?: number;
  /** Part of what it prints. */
  says?: string;
  /** It goes on until Ctrl-C, which it gets once it has printed this. */
  until?: string;
  /** What is typed, or piped to it, where it asks for a secret. */
  input?: string;
  /** Questions on a terminal, and what is typed; HOST is the host's name. */
  answers?: readonly (readonly [question: string, answer: string])[];
  /** Message of an empty commit that is made and pushed before. */
  commits?: string;
  /** A file that the page tells to write before, below the project. */
  writes?: readonly [path: string, text: string];
}

const on =
  (page: Page) =>
  (line: string, more: Omit<Step, "page" | "line"> = {}): Step => ({ page, line, ...more });
const [quickstart, dayTwo, updates, recovery] = [on("quickstart"), on("day-two"), on("updates"), on("recovery")];

const inOtherTest = (test: string) => ({ left: `typed in ${test}` });
/** What is lost is really deleted there, and an hour goes by for Hetzner. */
const inRecovery = inOtherTest("test/engine/recovery.test.ts");
const atTheConsole = { left: "for the console of a NixOS host, which the emulator does not have" };
/** The emulator's project keeps no copy of its keys. */
const withACopy = inOtherTest("test/cli/keys-deleted-by-git.test.ts");
const editor = { left: "an editor of the reader's own" };
const passphrase = "canary words of a vault";
const bot = '{ clawdlets.bots.maren.command = [ "/run/current-system/sw/bin/true" ]; }\n';

/** In the order in which they are typed: each leaves the host as the next one needs it. */
export const steps: readonly Step[] = [
  quickstart(
    "git clone git@github.com:you/clawdlets.git hosts && cd hosts",
    inOtherTest("test/cli/quickstart.test.ts"),
  ),
  quickstart("sh scripts/setup.sh", { left: "builds the engine that this test uses" }),
  quickstart("npx --no-install clawdlets init", inOtherTest("test/cli/quickstart.test.ts")),
  quickstart("$EDITOR .clawdlets/.env", editor),
  quickstart("git add stacks .github .gitleaks.toml .gitignore", inOtherTest("test/cli/quickstart.test.ts")),
  quickstart('git commit -m "web-1" && git push', inOtherTest("test/cli/quickstart.test.ts")),
  quickstart("npx --no-install clawdlets secrets verify --host web-1"),
  quickstart("npx --no-install clawdlets doctor --host web-1"),
  quickstart("npx --no-install clawdlets preview --host web-1"),
  quickstart("npx --no-install clawdlets up --host web-1", { says: "locked down" }),
  quickstart("npx --no-install clawdlets status"),
  quickstart("npx --no-install clawdlets ssh web-1"),
  quickstart("npx --no-install clawdlets server status --host web-1"),
  quickstart("npx --no-install clawdlets secrets edit discord_token_maren --host web-1", {
    input: "canary-0123456789",
  }),
  quickstart('git add hosts && git commit -m "maren" && git push', { writes: ["hosts/web-1.nix", bot] }),
  quickstart("npx --no-install clawdlets rebuild --host web-1", { says: "runs /nix/store/" }),
  quickstart("npx --no-install clawdlets server logs --unit maren --follow", { until: "maren" }),

  dayTwo("clawdlets rebuild --host web-1", { says: "ran already" }),
  dayTwo("clawdlets rebuild --rev <commit> --deadline 300", { says: "ran already" }),
  dayTwo("clawdlets rebuild --all --canary web-1"),
  dayTwo("clawdlets server rollback --host web-1", { says: "runs /nix/store/" }),
  dayTwo("clawdlets rebuild --host web-1 --release 1764230400", { exit: 1, says: "is not newer than" }),
  dayTwo("clawdlets rebuild --host web-1 --release 1764230400 --allow-downgrade", {
    exit: 1,
    says: "run as root at the console",
  }),
  dayTwo("clawdlets server status [--json]"),
  dayTwo("clawdlets server logs --unit maren --since 5m --follow", { until: "maren" }),
  dayTwo("clawdlets server logs --activation"),
  dayTwo("clawdlets server logs --unit sshd.service --since yesterday"),
  dayTwo("clawdlets server logs --system --since '2026-11-27 10:00'"),
  dayTwo("clawdlets server restart --unit maren"),
  dayTwo("clawdlets bot status|logs|restart|open maren", inOtherTest("test/cli/bot/operate.test.ts")),
  dayTwo("clawdlets server audit [--json]"),
  dayTwo("clawdlets server generations"),
  dayTwo("clawdlets server rebuild|rollback", { left: "typed above, one at a time" }),
  dayTwo("clawdlets ssh web-1 [-- command]"),

  updates("clawdlets init --host web-1 --weekly-updates"),
  // What the merge of the pull request brings: a commit that the host does not run.
  updates("clawdlets rebuild --all --canary web-1", { commits: "update", says: "runs /nix/store/" }),
  updates("clawdlets verify --all"),

  recovery("clawdlets lockdown --all"),
  recovery("clawdlets verify --all"),
  recovery("clawdlets vault export /mnt/usb/hosts.vault --passphrase", { input: passphrase }),
  recovery("clawdlets vault verify /mnt/usb/hosts.vault --passphrase", { input: passphrase }),
  recovery("clawdlets secrets restore --dry-run", withACopy),
  recovery("clawdlets secrets restore", withACopy),
  recovery("clawdlets doctor"),
  recovery("git clone git@github.com:you/hosts.git && cd hosts && sh scripts/setup.sh", { left: "a clone at GitHub" }),
  recovery("npx --no-install clawdlets vault import /mnt/usb/hosts.vault --passphrase", inRecovery),
  recovery("npx --no-install clawdlets doctor"),
  recovery("npx --no-install clawdlets preview --all", { says: "nothing would change" }),
  recovery("clawdlets up --host web-1 --adopt", inRecovery),
  recovery("clawdlets up --all --adopt", inRecovery),
  recovery("rm -r .clawdlets/state", inRecovery),
  recovery("sed -i '/^encryptionsalt:/d' stacks/Pulumi.web-1.yaml", inRecovery),
  recovery("clawdlets secrets init --host web-1", inRecovery),
  recovery("clawdlets up --host web-1 --adopt", inRecovery),
  recovery("clawdlets install --status --host web-1"),
  recovery("clawdlets logs --host web-1 --follow", { until: "\n" }),
  recovery("clawdlets up --host web-1", { says: "nothing to do" }),
  recovery("curl -4 https://ip.hetzner.com", { left: "the internet" }),
  recovery("$EDITOR .clawdlets/stack.json", editor),
  recovery("clawdlets up --host web-1", { left: "typed above" }),
  recovery("cat /run/clawdlets-tailnet/state", atTheConsole),
  recovery("sudo systemctl status tailscaled sshd", atTheConsole),
  recovery("sudo journalctl -u clawdlets-tailnet -u tailscaled -b", atTheConsole),
  recovery("sudo systemctl restart clawdlets-tailnet", atTheConsole),
  recovery("sudo tailscale up --reset", atTheConsole),
  recovery("sudo nixos-rebuild switch --rollback", atTheConsole),
  recovery("clawdlets destroy --host web-1", inRecovery),
  recovery("clawdlets up --host web-1", inRecovery),
  quickstart("npx --no-install clawdlets destroy --host web-1", { answers: [["to continue: ", "HOST\r"]] }),
];
