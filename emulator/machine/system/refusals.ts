/** As `refuse` in nix/host/activate.sh. */
export type RefusalCode =
  | "busy"
  | "ended"
  | "no-keys"
  | "not-current"
  | "not-prepared"
  | "old-release"
  | "other-system"
  | "too-early"
  | "too-late"
  | "unknown-order"
  | "unsigned"
  | "untrusted"
  | "wrong-token";

export class OrderRefused extends Error {
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}
