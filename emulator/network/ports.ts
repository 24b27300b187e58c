/** `22`, `1-1024` or `any`; null for anything else. */
export function parsePorts(text: string): { from: number; to: number } | null {
  if (text === "any") return { from: 1, to: 65535 };
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(text);
  if (match === null) return null;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from >= 1 && to <= 65535 && from <= to ? { from, to } : null;
}
