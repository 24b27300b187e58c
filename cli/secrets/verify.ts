import { Command } from "commander";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { checkLocalFolder } from "../../core/project/hygiene.ts";
import { checkHostIdentity, checkSecrets } from "../../core/project/secrets/check.ts";
import { recipientsKnown } from "../../core/project/secrets/identity.ts";
import { readRotation } from "../../core/project/secrets/rotation.ts";
import { resultLines } from "../shared/output.ts";
import { forHost, hostOption, jsonOption, print } from "../shared/secrets.ts";

/** `clawdlets secrets verify`: whether the host and this operator can read every secret the host needs. */
export function verifyCommand(): Command {
  return new Command("verify")
    .option(...hostOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExits with 3 if anything is wrong.\n\nExamples:\n  clawdlets secrets verify --host web-1 --json\n",
    )
    .action(async (options: { host?: string; json?: boolean }) => {
      const { layout, host, store, required } = await forHost(options.host);
      const say = resultLines(options.json);
      const { promised, beside } = recipientsKnown(store);
      const check = {
        layout,
        host: store.files,
        hostName: host,
        recipient: promised ?? beside ?? "",
        secretsDir: store.folder,
        required,
        sops: store.sops,
        alsoBy: [store.operatorFile],
      };
      const problems = [...(await checkLocalFolder(layout)), ...(await checkHostIdentity(check))];
      const rotation = readRotation(store);
      if (rotation) {
        const message = `a rotation begun at ${rotation.startedAt} is not finished. Finish it: clawdlets secrets rotate --host ${host}`;
        problems.push({ where: "rotation", setting: "age identity", message });
      }
      const secrets = await checkSecrets(check);
      for (const { where, setting, message } of problems) say(`wrong    ${where}: ${setting}: ${message}`);
      for (const { name, status, message } of secrets) {
        say(`${status.padEnd(8)} ${name}${message === undefined ? "" : `: ${message}`}`);
      }
      const ok = problems.length === 0 && secrets.every(({ status }) => status === "ok");
      print(options.json, { ok, host, recipient: check.recipient, problems, secrets });
      if (!ok) process.exitCode = exitCodes.settings;
    });
}
