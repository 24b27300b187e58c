import { existsSync, readFileSync } from "node:fs";
import { type Check, type Finding, ok, warning } from "./finding.ts";

/** Accounts of people: ids that useradd assigns, with a login shell. macOS starts at 501. */
export function otherPeople(accounts: string, ourselves: number, isMac: boolean): string[] {
  return accounts.split("\n").flatMap((line) => {
    const [name = "", , uid = "", , , , shell = ""] = line.split(":");
    const id = Number(uid);
    const isPerson =
      id >= (isMac ? 501 : 1000) && id < 65_534 && !/(^|\/)(nologin|false|true|sync)$/.test(shell.trim());
    return isPerson && id !== ourselves && name !== "" ? [name] : [];
  });
}

/**
 * Checks if another user of this machine could call the engine while it runs. If the file does not exist, as in some containers,
 * there are no other users.
 * @param refusesOthers true if the engine's servers only serve our own user
 */
export function checkOtherUsers(refusesOthers: boolean, file = "/etc/passwd"): Finding[] {
  const about: Check = { scope: "deploy", check: "other users", subject: file };
  if (refusesOthers) return [ok(about, "the engine only serves your own user")];
  const accounts = existsSync(file) ? readFileSync(file, "utf8") : "";
  const others = otherPeople(accounts, process.getuid?.() ?? -1, process.platform === "darwin");
  if (others.length === 0) return [ok(about, "no one else has an account with a login shell here")];
  const some = `${others.slice(0, 3).join(", ")}${others.length > 3 ? ` and ${others.length - 3} more` : ""}`;
  return [
    warning(
      about,
      "shared-machine",
      `while this engine runs, other users of this machine (${some}) can have it run commands with your tokens.`,
      process.platform === "linux"
        ? "build the engine, which refuses them: CLAWDLETS_ENGINE=build sh scripts/setup.sh"
        : "use a machine of your own, or a Linux machine with a built engine (CLAWDLETS_ENGINE=build)",
    ),
  ];
}
