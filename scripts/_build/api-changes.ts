/** One export of docs/api.md: its signature, or its members with their types. */
interface Export {
  signature: string;
  members: ReadonlyMap<string, { type: string; isOptional: boolean }>;
}

/** Reads docs/api.md back, of any revision: the report that changes of the public API are found with. */
export function readApi(markdown: string): Map<string, Export> {
  const sections = markdown.split(/^## /m).slice(1);
  return new Map(
    sections.map((section) => {
      const [name = ""] = section.split("\n");
      const signature = /```ts\n([\s\S]+?)\n```/.exec(section)?.[1] ?? "";
      const rows = section.matchAll(/^\| `([^`?]+)(\??)` \| `((?:[^`\\]|\\.)+)` \|/gm);
      const members = [...rows].map(
        ([, member = "", optional, type = ""]) => [member, { type, isOptional: optional === "?" }] as const,
      );
      return [name.trim(), { signature: signature.replace(/\s+/g, " "), members: new Map(members) }];
    }),
  );
}

export interface ApiChange {
  /** `HostArgs.settings`, or `Host`. */
  name: string;
  what: string;
  isBreaking: boolean;
}

/** What a program gives, as opposed to what it gets: there, a further required member breaks it. */
const isInput = (name: string) => /(Args|Options)$/.test(name);

/** What differs between two reports, and whether a program that compiled and ran may fail now. */
export function apiChanges(before: ReturnType<typeof readApi>, after: ReturnType<typeof readApi>): ApiChange[] {
  const gone = [...before.keys()].filter((name) => !after.has(name));
  const added = [...after.keys()].filter((name) => !before.has(name));
  return [
    ...gone.map((name) => ({ name, what: "is gone", isBreaking: true })),
    ...[...before].flatMap(([name, old]) => {
      const now = after.get(name);
      return now ? changesOf(name, old, now) : [];
    }),
    ...added.map((name) => ({ name, what: "is new", isBreaking: false })),
  ];
}

function changesOf(name: string, before: Export, after: Export): ApiChange[] {
  const changes: ApiChange[] = [];
  const add = (member: string, what: string, isBreaking: boolean) =>
    changes.push({ name: member === "" ? name : `${name}.${member}`, what, isBreaking });
  if (before.signature !== after.signature) add("", `is now ${after.signature}`, true);
  for (const [member, old] of before.members) {
    const now = after.members.get(member);
    if (!now) add(member, "is gone", true);
    else if (old.type !== now.type) add(member, `has the type ${now.type}, and had ${old.type}`, true);
    else if (old.isOptional !== now.isOptional) {
      add(member, now.isOptional ? "is optional now" : "is required now", now.isOptional !== isInput(name));
    }
  }
  for (const [member, { isOptional }] of after.members) {
    if (!before.members.has(member)) add(member, "is new", isInput(name) && !isOptional);
  }
  return changes;
}

/** The breaking changes that "### Breaking" of the changelog's first section does not name in code marks. */
export function unnamed(changes: readonly ApiChange[], changelog: string): ApiChange[] {
  const [, section = ""] = changelog.split(/^## /m);
  const breaking = section
    .split(/^### /m)
    .filter((part) => part.startsWith("Breaking"))
    .join("");
  return changes.filter(({ name, isBreaking }) => isBreaking && !breaking.includes(`\`${name}\``));
}
