import type { Credentials } from "./inode.ts";

export interface User extends Credentials {
  name: string;
  home: string;
}

export const ROOT_USER: User = { name: "root", uid: 0, gid: 0, groups: [0], home: "/root" };
const USERS_GROUP = 100;
const WHEEL_GROUP = 1;

/** The users of an installed host, by the order in which NixOS numbers normal users. */
export function userNamed(name: string, normalUsers: readonly string[]): User | null {
  if (name === "root") return ROOT_USER;
  const index = normalUsers.indexOf(name);
  if (index < 0) return null;
  return { name, uid: 1000 + index, gid: USERS_GROUP, groups: [USERS_GROUP, WHEEL_GROUP], home: `/home/${name}` };
}

const GROUPS = new Map([
  [0, "root"],
  [1, "wheel"],
  [100, "users"],
]);

export function userName(uid: number, normalUsers: readonly string[]): string {
  if (uid === 0) return "root";
  return normalUsers[uid - 1000] ?? "UNKNOWN";
}

export function groupName(gid: number): string {
  return GROUPS.get(gid) ?? "UNKNOWN";
}

/** `root`, `1000`, `admin:users`, `0:0`, `:100`; null where a name is not known. */
export function parseOwner(
  text: string,
  normalUsers: readonly string[],
): { uid: number | null; gid: number | null } | null {
  const [userPart = "", groupPart = ""] = text.split(":");
  const uid =
    userPart === "" ? null : /^[0-9]+$/.test(userPart) ? Number(userPart) : userNamed(userPart, normalUsers)?.uid;
  const gid =
    groupPart === ""
      ? null
      : /^[0-9]+$/.test(groupPart)
        ? Number(groupPart)
        : [...GROUPS].find(([, name]) => name === groupPart)?.[0];
  return uid === undefined || gid === undefined ? null : { uid, gid };
}
