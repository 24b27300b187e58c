import { Command } from "commander";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { problemJson, problemLine, problemSentence } from "../../core/base/problem.ts";
import { checkLocalFolder } from "../../core/project/hygiene.ts";
import { checkHostIdentity, checkSecrets } from "../../core/project/secrets/check.ts";
import { recipientsKnown } from "../../core/project/secrets/identity.ts";
import { readRotation } from "../../core/project/secrets/rotation.ts";
import { hostOption } from "../shared/choose.ts";
import { forHost } from "../shared/host-secrets.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";

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
        problems.push({
          code: "rotation-unfinished",
          subject: "rotation",
          setting: "age identity",
          problem: `a rotation started at ${rotation.startedAt} is not finished.`,
          fix: `Finish it: clawdlets secrets rotate --host ${host}`,
        });
      }
      const secrets = await checkSecrets(check);
      for (const problem of problems) say(`wrong    ${problemLine(problem)}`);
      for (const { name, status, objection } of secrets) {
        say(`${status.padEnd(8)} ${name}${objection ? `: ${problemSentence(objection)}` : ""}`);
      }
      const ok = problems.length === 0 && secrets.every(({ status }) => status === "ok");
      const found = secrets.map(({ objection, ...secret }) => ({ ...secret, ...objection }));
      print(options.json, {
        ok,
        host,
        recipient: check.recipient,
        problems: problems.map(problemJson),
        secrets: found,
      });
      if (!ok) process.exitCode = exitCodes.settings;
    });
}
