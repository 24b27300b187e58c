import { Command } from "commander";
import { sweepEdits } from "../shared/editor.ts";
import { editCommand } from "./edit.ts";
import { secretsInitCommand } from "./init.ts";
import { migrateCommand } from "./migrate.ts";
import { pathCommand } from "./path.ts";
import { restoreCommand } from "./restore.ts";
import { rotateCommand } from "./rotate.ts";
import { syncCommand } from "./sync.ts";
import { verifyCommand } from "./verify.ts";

/** `clawdlets secrets …`: everything about a host's keys and secrets. */
export function secretsCommand(): Command {
  const commands = [
    secretsInitCommand(),
    verifyCommand(),
    editCommand(),
    pathCommand(),
    syncCommand(),
    rotateCommand(),
    migrateCommand(),
    restoreCommand(),
  ];
  const secrets = new Command("secrets").description(
    "keys and secrets of a host: make, check, change, deliver, rotate, restore",
  );
  for (const command of commands) secrets.addCommand(command);
  secrets.hook("preAction", sweepEdits);
  return secrets;
}
