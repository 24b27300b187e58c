import type { Hetzner } from "../base/hetzner/client.ts";
import type { TailnetApi } from "../base/tailnet/types.ts";
import type { HostLayout, Layout } from "../project/layout.ts";
import type { HostSettings, LocalSettings } from "../project/settings/host.ts";
import type { JournalWriter } from "./journal.ts";
import type { Signals, Step } from "./steps.ts";

/** Which server becomes which installation of a host. */
export interface InstallFacts {
  serverId: number;
  /** Public address of the server: IPv4, or IPv6 without one. */
  address: string;
  /** Id of one installation on one server; the host has it in `/var/lib/clawdlets/install-id`. */
  installId: string;
}

export interface InstallRequest extends Signals {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  facts: InstallFacts;
}

/** One run of an installation, under the host's lock. */
export interface Installation extends InstallRequest {
  host: HostLayout;
  hetzner: Hetzner;
  journal: JournalWriter;
  /** Undefined without credentials: then the host joins with the secret `tailscale_auth_key`. */
  tailnetApi?: TailnetApi;
  /** Notes the step in the journal and reports it. @param limitSeconds how long it may take */
  step: (step: Step, text: string, limitSeconds?: number) => Promise<void>;
}
