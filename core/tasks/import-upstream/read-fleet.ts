import { SettingsError } from "../../base/errors.ts";
import type { FleetExtras } from "./bots.ts";
import { readUpstream } from "./read.ts";
import { isObject } from "./values.ts";

/**
 * Reads the fleet and its documents of upstream's project. Only reads.
 * @param path the project's folder, or its clawdlets.json, which has no documents
 * @throws SettingsError if there is no such file, or it is another one
 */
export function readFleet(path: string): { fleet: unknown; extras: FleetExtras } {
  const { file, config, documents } = readUpstream(path);
  if (!isObject(config["fleet"])) {
    const problem = "is not upstream's clawdlets.json: it has no fleet.";
    throw new SettingsError([{ subject: file, setting: "--from", code: "file-invalid", problem }]);
  }
  const [host] = Object.values(Object(config["hosts"]));
  const model = isObject(host) ? host["agentModelPrimary"] : undefined;
  return { fleet: config["fleet"], extras: { documents, ...(typeof model === "string" && { model }) } };
}
