import type { BakedImage } from "../../core/tasks/images/baked.ts";

/** A snapshot in one line. */
export function inWords({ image, host, architecture, sizeGb, createdAt, revision, usedBy }: BakedImage): string {
  const size = sizeGb === null ? "size not known yet" : `${sizeGb.toFixed(1)} GB`;
  const commit = revision === undefined ? "" : ` at ${revision.slice(0, 12)}`;
  const used = usedBy.length === 0 ? "used by no stack file" : `used by ${usedBy.join(", ")}`;
  return `${image}  ${host}${commit}  ${architecture}  ${size}  ${createdAt}  ${used}`;
}
