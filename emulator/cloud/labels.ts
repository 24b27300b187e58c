import type { Labels } from "./types.ts";

interface Requirement {
  key: string;
  op: "exists" | "absent" | "in" | "notin";
  values: string[];
}

const KEY = "[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?";
const VALUE = "(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?";
const EQUALITY = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`);
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`);
const ONE_VALUE = new RegExp(`^${VALUE}$`);

/**
 * The API's label selectors: `k`, `!k`, `k=v`, `k==v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`, joined by commas.
 * @returns null where the text is not one.
 */
export function parseSelector(text: string): ((labels: Labels) => boolean) | null {
  const requirements: Requirement[] = [];
  // Commas inside brackets separate values, not requirements.
  for (const part of text.split(/,(?![^(]*\))/)) {
    const requirement = parseRequirement(part.trim());
    if (requirement === null) return null;
    requirements.push(requirement);
  }
  return (labels) => requirements.every((requirement) => meets(labels, requirement));
}

function parseRequirement(text: string): Requirement | null {
  const equality = EQUALITY.exec(text);
  if (equality !== null) {
    const [, key = "", operator, value = ""] = equality;
    return { key, op: operator === "!=" ? "notin" : "in", values: [value] };
  }
  const set = SET.exec(text);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    return values.every((value) => ONE_VALUE.test(value))
      ? { key, op: operator === "in" ? "in" : "notin", values }
      : null;
  }
  const exists = EXISTS.exec(text);
  if (exists === null) return null;
  const [, not, key = ""] = exists;
  return { key, op: not === "!" ? "absent" : "exists", values: [] };
}

function meets(labels: Labels, requirement: Requirement): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  if (requirement.op === "exists") return value !== undefined;
  if (requirement.op === "absent") return value === undefined;
  // As in Kubernetes, whose grammar this is: `!=` and `notin` also match where the key is absent.
  const isListed = value !== undefined && requirement.values.includes(value);
  return requirement.op === "in" ? isListed : !isListed;
}

const LABEL_KEY = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

export function areLabelsValid(labels: Labels): boolean {
  return Object.entries(labels).every(([key, value]) => LABEL_KEY.test(key) && LABEL_VALUE.test(value));
}
