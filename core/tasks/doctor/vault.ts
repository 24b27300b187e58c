import { readJournal } from "../../host/journal.ts";
import { hostLayoutOf } from "../../project/layout.ts";
import { lastExport } from "../vault/vault.ts";
import type { DoctorContext } from "./context.ts";
import { attempt, type Check, type Finding, ok, warning } from "./finding.ts";

/** Days after which an export is too old even if its keys are still the same: the state has moved on. */
const maxAgeDays = 30;

/** Reminds of what a lost disk would take, as soon as there is a host to lose. */
export function checkVault({ layout, hosts }: Pick<DoctorContext, "layout" | "hosts">): Promise<Finding[]> {
  const about: Check = { scope: "stack", check: "vault", subject: "the last export of .clawdlets" };
  return attempt(about, () => {
    const installed = hosts.filter((host) => readJournal(hostLayoutOf(layout, host).journal)?.state === "done");
    if (installed.length === 0) return [ok(about, "not needed: no host is installed yet")];
    const last = lastExport(layout);
    const fix = "Export it: clawdlets vault export FILE --passphrase";
    if (!last) {
      const names = installed.length > 3 ? `${installed.length} hosts` : installed.join(", ");
      return [warning(about, "vault-outdated", `no export exists, so only this disk has the keys of ${names}`, fix)];
    }
    if (!last.hasKeys)
      return [warning(about, "vault-outdated", `is from ${last.at}, and keys or secrets have changed since`, fix)];
    if (!last.isCurrent && last.ageDays > maxAgeDays) {
      return [warning(about, "vault-outdated", `is ${last.ageDays} days old, and the state has changed since`, fix)];
    }
    return [ok(about, `has the current keys (${last.at})`)];
  });
}
