import { parse } from "yaml";
import { z } from "zod";

const cloudConfig = z.object({
  ssh_keys: z.object({ ed25519_private: z.string().optional(), ed25519_public: z.string().optional() }).optional(),
  ssh_authorized_keys: z.array(z.string()).optional(),
  ssh_pwauth: z.union([z.boolean(), z.string()]).optional(),
  users: z
    .array(
      z.union([
        z.string(),
        z.object({ name: z.string().optional(), ssh_authorized_keys: z.array(z.string()).optional() }),
      ]),
    )
    .optional(),
});

export interface FirstBoot {
  /** An OpenSSH private key, or null where the machine makes its own. */
  hostKey: string | null;
  authorizedKeys: string[];
  /** Whether `ssh_pwauth` is given, for which cloud-init writes sshd's configuration and restarts it. */
  setsPasswordAuthentication: boolean;
}

/** The subset of cloud-init's user_data that matters here. As in cloud-init, text that is not cloud-config is ignored. */
export function readUserData(userData: string | null): FirstBoot {
  const nothing: FirstBoot = { hostKey: null, authorizedKeys: [], setsPasswordAuthentication: false };
  if (userData === null || !userData.startsWith("#cloud-config")) return nothing;
  const result = cloudConfig.safeParse(parseYaml(userData));
  if (!result.success) return nothing;
  const { ssh_keys, ssh_authorized_keys, ssh_pwauth, users } = result.data;
  const root = (users ?? []).filter((user) => typeof user === "object" && user.name === "root");
  const ofRoot = root.flatMap((user) => (typeof user === "object" ? (user.ssh_authorized_keys ?? []) : []));
  return {
    hostKey: ssh_keys?.ed25519_private ?? null,
    authorizedKeys: [...(ssh_authorized_keys ?? []), ...ofRoot],
    setsPasswordAuthentication: ssh_pwauth !== undefined && ssh_pwauth !== "unchanged",
  };
}

function parseYaml(text: string): unknown {
  try {
    const parsed: unknown = parse(text);
    return parsed;
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}
