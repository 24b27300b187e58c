import { ActivatingEmulated } from "./_activating-emulated.ts";
import type { ActivatingHost } from "./_activating-host.ts";
import { ActivatingScript } from "./_activating-script.ts";

/** Hosts that accept activation orders. */
export const bothActivating: [name: string, open: () => Promise<ActivatingHost>][] = [
  ["the script", () => ActivatingScript.open()],
  ["the emulated machine", ActivatingEmulated.open],
];
