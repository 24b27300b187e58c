import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { allSnapshots } from "../../base/hetzner/pages.ts";
import { imageLabel, revisionLabel } from "../../host/image/labels.ts";
import type { Layout } from "../../project/layout.ts";
import { listStackFiles, readRawStackFile } from "../../project/settings/stack-file.ts";

/** A finished snapshot of `image bake`. */
export interface BakedImage {
  /** Hetzner's id, for `clawdlets:image`. */
  image: number;
  /** The host whose system it holds. */
  host: string;
  architecture: "x86" | "arm";
  /** GB of the disk that it was made from: a server's disk must not be smaller. */
  diskGb: number;
  /** GB that Hetzner charges for; null until it is known. */
  sizeGb: number | null;
  /** ISO 8601. */
  createdAt: string;
  /** Commit of the flake; undefined outside git. */
  revision?: string;
  /** Hosts whose stack file names it: each reinstallation of theirs starts from it. */
  usedBy: string[];
}

/** The finished snapshots of this Hetzner project, oldest first. @throws SettingsError if a stack file cannot be read */
export async function listBaked(hetzner: Hetzner, layout: Layout): Promise<BakedImage[]> {
  const all = await allSnapshots(hetzner, "list the baked snapshots", imageLabel);
  const found = all.map((each): BakedImage => {
    const revision = each.labels?.[revisionLabel];
    return {
      image: each.id,
      host: each.labels?.[imageLabel] ?? "",
      architecture: each.architecture,
      diskGb: each.disk_size,
      sizeGb: each.image_size,
      createdAt: each.created,
      ...(revision !== undefined && { revision }),
      usedBy: usersOf(layout, each.id),
    };
  });
  return found.sort((one, other) => one.image - other.image);
}

/**
 * The snapshot to delete.
 * @throws UserError unless `image bake` made it and no stack file names it
 */
export async function findDeletable(hetzner: Hetzner, layout: Layout, image: number): Promise<BakedImage> {
  const all = await listBaked(hetzner, layout);
  const found = all.find((each) => each.image === image);
  const settings = { exitCode: exitCodes.settings };
  if (!found) {
    const known = all.map((each) => each.image).join(", ") || "none";
    const problem = `is not a snapshot of "image bake" in this Hetzner project; it has ${known}. Nothing was deleted.`;
    throw new UserError(
      { code: "not-at-hetzner", subject: `image ${image}`, problem, fix: "List them: clawdlets image list" },
      settings,
    );
  }
  const [host] = found.usedBy;
  if (host === undefined) return found;
  const problem = `${found.usedBy.map((each) => `stacks/Pulumi.${each}.yaml`).join(", ")} starts a server from it. Nothing was deleted.`;
  const fix = `Set clawdlets:image there to another one first, e.g. of: clawdlets image bake --host ${host}`;
  throw new UserError({ subject: `image ${image}`, problem, fix }, settings);
}

/** Deletes a snapshot; one that is gone already is fine. Servers that started from it stay. */
export async function deleteBaked(hetzner: Hetzner, { image }: Pick<BakedImage, "image">): Promise<void> {
  try {
    await answerOf(`delete the snapshot ${image}`, hetzner.DELETE("/images/{id}", { params: { path: { id: image } } }));
  } catch (error) {
    if (!(error instanceof HetznerApiError) || error.code !== "not_found") throw error;
  }
}

const usersOf = (layout: Layout, image: number): string[] =>
  listStackFiles(layout).filter((host) => String(readRawStackFile(layout, host)["image"]) === String(image));
