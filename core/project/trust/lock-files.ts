import { type Difference, spelled } from "./difference.ts";
import { changedValues, valuesIn } from "./values.ts";

/**
 * Inputs of a flake. A new commit of the same repository is harmless; another repository, another hash for the same commit or
 * another input is dangerous.
 */
export function changedInputs(file: string, before: string, after: string): Difference[] | undefined {
  const [old, next] = [valuesIn(before, "json"), valuesIn(after, "json")];
  if (!old || !next) return undefined;
  return changedValues(old, next).map(({ path, before, after }) => {
    const [, node = "", field = ""] = /^nodes\.(.+)\.locked\.(rev|narHash|lastModified|revCount)$/.exec(path) ?? [];
    const rev = `nodes.${node}.locked.rev`;
    const moves = field === "rev" || (field !== "" && old.has(rev) && next.has(rev) && old.get(rev) !== next.get(rev));
    // Requires both sides: an input that gains or loses its commit was or becomes unpinned.
    const dangerous = !(moves && before !== undefined && after !== undefined);
    return valueDifference(file, path, before, after, dangerous);
  });
}

/** Packages, by source and install scripts. A new version from a registry that was already used is harmless. */
export function changedPackages(file: string, before: string, after: string): Difference[] | undefined {
  const [old, next] = [valuesIn(before, "json"), valuesIn(after, "json")];
  if (!old || !next) return undefined;
  const registries = new Set([...old].flatMap(([path, value]) => (path.endsWith(".resolved") ? originOf(value) : [])));
  return changedValues(old, next).map(({ path, before, after }) => {
    const name = path.slice(0, path.lastIndexOf("."));
    const sameVersion = old.has(`${name}.version`) && old.get(`${name}.version`) === next.get(`${name}.version`);
    const dangerous =
      after !== undefined &&
      ((path.endsWith(".resolved") && (!registries.has(originOf(after)) || sameVersion)) ||
        (path.endsWith(".integrity") && sameVersion) ||
        (path.endsWith(".hasInstallScript") && after === "true") ||
        path.endsWith(".link"));
    const lost = after === undefined && path.endsWith(".integrity") && next.has(`${name}.version`);
    return valueDifference(file, path, before, after, dangerous || lost);
  });
}

function originOf(json: string): string {
  const url: unknown = JSON.parse(json);
  return typeof url === "string" && URL.canParse(url) ? new URL(url).origin : json;
}

export function valueDifference(
  file: string,
  setting: string,
  before: string | undefined,
  after: string | undefined,
  dangerous: boolean,
): Difference {
  return {
    file,
    setting,
    ...(before !== undefined && { before: spelled(before) }),
    ...(after !== undefined && { after: spelled(after) }),
    dangerous,
  };
}
