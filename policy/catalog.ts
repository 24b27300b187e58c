/**
 * Hetzner's monthly net prices in euros, in Germany, by server type. Prices differ by location and change: set the rule's `prices`
 * if you need exact figures. Source: the list published in September 2026, as in emulator/catalog (a test holds
 * the two together).
 */
export const monthlyEur: Readonly<Record<string, number>> = {
  cx23: 5.49,
  cx33: 8.49,
  cx43: 15.99,
  cx53: 29.49,
  cx22: 3.79,
  cx32: 6.8,
  cx42: 16.4,
  cx52: 32.4,
  cpx12: 9.99,
  cpx22: 19.49,
  cpx32: 35.49,
  cpx42: 69.49,
  cpx52: 100.49,
  cpx62: 129.99,
  cpx11: 4.35,
  cpx21: 7.55,
  cpx31: 13.6,
  cpx41: 25.2,
  cpx51: 54.9,
  ccx13: 42.99,
  ccx23: 85.99,
  ccx33: 138.49,
  ccx43: 275.99,
  ccx53: 551.99,
  ccx63: 827.99,
  cax11: 4.99,
  cax21: 8.49,
  cax31: 15.99,
  cax41: 30.99,
};

/** Monthly price of a public IPv4 address and of a GB of a volume. Backups cost a fifth of their server (Hetzner's documentation). */
export const otherEur = { ipv4: 0.5, volumeGb: 0.044, backupsShare: 0.2 } as const;

/**
 * Server types that Hetzner is discontinuing, with the last day on which they can be ordered.
 * Source: Hetzner's changelog of 2025-10-16, and `hcloud server-type list`.
 */
export const deprecatedTypes: Readonly<Record<string, string>> = {
  cx22: "2026-01-01",
  cx32: "2026-01-01",
  cx42: "2026-01-01",
  cx52: "2026-01-01",
};

/** System images likewise, with the day of the announcement. Source: `hcloud image list`. */
export const deprecatedImages: Readonly<Record<string, string>> = { "debian-11": "2026-08-31" };
