/** What a host says, and what is on it: the real script in a folder, or an emulated machine. */
export interface ReceivingHost {
  send(input: Buffer, ...args: string[]): Promise<Answer>;
  /** Mode, owner and content by path of what is below the folders of the secrets, `hosts`, and the key, `sops-nix`. */
  files(): Promise<Record<string, string>>;
  keyText(): Promise<string>;
  /** The calls of systemctl so far. */
  units(): Promise<string[]>;
  /** From now on a systemctl that is asked for this unit fails; null: none does. */
  failUnit(unit: string | null): void;
  /** What root at the console does to let the admin's password be changed once. */
  allowPassword(): Promise<void>;
  /** Puts a file there, with the folders above it. */
  plant(path: string, content: string): Promise<void>;
}

export interface Answer {
  status: number;
  stdout: string;
  stderr: string;
}

/** What a new host holds: `web-1.yaml`-like files (null: no folder yet) and the text of its key file. */
export interface Contents {
  secrets: Record<string, Buffer> | null;
  key: string;
}

export type NewHost = (contents: Contents) => Promise<ReceivingHost>;

export const refusal = (why: string): Answer => ({
  status: 1,
  stdout: "",
  stderr: `clawdlets-receive-secrets: code ${codeOf(why)}\nclawdlets-receive-secrets: refused, nothing changed: ${why}\n`,
});

/** The code that each reason has to have; released versions decide by it. */
const codes: readonly [RegExp, string][] = [
  [/^it takes no arguments/, "unknown-order"],
  [/^another run is in progress/, "busy"],
  [/^the tar is truncated/, "cut"],
  [/current identity$/, "wrong-recipient"],
  [/^identity\.age: does not hold|new identity alone$/, "wrong-identity"],
  [/^admin_password_hash\.yaml: the password/, "password"],
];

const codeOf = (why: string) => codes.find(([words]) => words.test(why))?.[1] ?? "malformed";

/** One file of `files()`: `400 0:0 <content>`. */
export function line(mode: number, owner: string, content: Buffer | "folder"): string {
  return `${mode.toString(8)} ${owner} ${typeof content === "string" ? content : content.toString("base64")}`;
}
