import { Command } from "commander";
import { rebuildCommand } from "../rebuild.ts";
import { auditCommand } from "./audit.ts";
import { generationsCommand, rollbackCommand } from "./generations.ts";
import { logsCommand } from "./logs.ts";
import { restartCommand } from "./restart.ts";
import { statusCommand } from "./status.ts";

/** `clawdlets server`: a running host, over its tailnet, under its pinned key, within admin's sudo rules. */
export function serverCommand(): Command {
  return new Command("server")
    .description("look at and operate a running host")
    .addCommand(statusCommand())
    .addCommand(logsCommand())
    .addCommand(restartCommand())
    .addCommand(rebuildCommand())
    .addCommand(auditCommand())
    .addCommand(generationsCommand())
    .addCommand(rollbackCommand());
}
