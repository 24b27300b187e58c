import { harmless } from "../../base/text/harmless.ts";
import { buildFailures, fetchFailures } from "./build-failures.ts";
import { evaluationFailures } from "./evaluation-failures.ts";
import type { NixFailureKind } from "./nix-failure.ts";

/** `message` and `advice` are sentences in lower case and upper case. They quote only what cannot be a secret. */
export interface NixExplanation {
  kind: NixFailureKind;
  message: string;
  advice: string;
}

/**
 * Explains a failure of nix by what it printed, as versions 2.8, 2.26 and 2.34 word it.
 * @param more where nix's whole output is, a sentence
 * @returns undefined if the output is of no known kind
 */
export function explainNix(output: string, more: string): NixExplanation | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a nix that takes its output for a terminal
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  const text = plain.replace(/^warning: .*$/gm, ""); // After those it goes on.
  for (const { kind, found, say } of [...fetchFailures, ...evaluationFailures, ...buildFailures]) {
    const match = found.exec(text);
    if (!match) continue;
    const name = match.slice(1).find((group) => group !== undefined) ?? "";
    const [message, advice] = say(name, { where: placeOf(text), words: wordsOf(text), more });
    return { kind, message, advice };
  }
  return undefined;
}

/** Nix prints the innermost place last. Places in nixpkgs' library are where a mistake is noticed, not where it is. */
function placeOf(text: string): string {
  const at =
    /^\s*(?:at|whose name attribute is located at) (?:\S*\/[a-z0-9]{32}-source\/|«[^»\n]*»\/)?([\w./+-]{1,160}:\d+:\d+)\b/gm;
  const places = [...text.matchAll(at)].map(({ 1: place = "" }) => place);
  const own = places.filter((place) => !/^(?:lib|nixos|pkgs)\/|\/lib\/(?:modules|types|options)\.nix:/.test(place));
  const place = own.at(-1);
  return place === undefined ? "" : ` at ${place}`;
}

/** The last error that nix names: the lines before it say what nix was doing. Without values, which are the flake's own. */
function wordsOf(text: string): string {
  const [, line = ""] = [...text.matchAll(/^\s*error: (\S.*)$/gm)].at(-1) ?? [];
  const words = harmless(line)
    ?.replace(/\/nix\/store\/…-source\//g, "")
    .replace(/(\b(?:found an?|coerce an?|function but an?) [\w ]+):? .*$/, "$1")
    .replace(/[.:;]$/, "");
  return words === undefined || words === "" ? "" : `: ${words}`;
}
