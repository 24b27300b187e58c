import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import type { allSnapshots } from "../../base/hetzner/pages.ts";
import { architectureOf } from "../../project/settings/server/architecture.ts";
import type { InstallSettings } from "../../project/settings/stack-config/install.ts";
import { defaultImage } from "../../project/settings/stack-config/stack-config.ts";
import { bakingLabel, imageLabel } from "../image/labels.ts";
import type { Finding, ServerType } from "./catalogue.ts";

type Image = Awaited<ReturnType<typeof allSnapshots>>[number];

/** A disk that an image has to fit on. */
export interface Disk {
  /** Of which server type, or of the existing server. */
  of: string;
  gigabytes: number;
}

/** The disks of the server types that may be ordered. */
export const disksOf = (types: readonly ServerType[], names: readonly string[]): Disk[] =>
  types
    .filter(({ name }) => names.includes(name))
    .map(({ name, disk }) => ({ of: `server type "${name}"`, gigabytes: disk }));

interface ImageCheck {
  /** Name or id. */
  image: string;
  serverType: string;
  /** Every disk that the image may be written to; asked for a snapshot alone, since a system image fits everywhere. @default not compared */
  disks?: () => Promise<readonly Disk[]>;
  /** Whose server it is for, and how that is installed. @default not compared */
  host?: string;
  install?: Pick<InstallSettings, "mode">;
}

/**
 * Checks that the image exists for the server type's architecture, is ready, and fits on the disk. An id is a snapshot of the project.
 * Sends no request for the default image.
 */
export async function checkImage(hetzner: Hetzner, check: ImageCheck): Promise<Finding[]> {
  const { image, serverType } = check;
  if (image === defaultImage) return [];
  if (/^[0-9]+$/.test(image)) return checkImageId(hetzner, Number(image), check);
  // Hetzner and its provider go on taking a deprecated image for a while.
  const query = { name: image, include_deprecated: true, per_page: 50 };
  const { images } = await answerOf("look up the image", hetzner.GET("/images", { params: { query } }));
  const architecture = architectureOf(serverType);
  const own = images.find((each) => each.architecture === architecture);
  if (own) return withdrawn(`"${image}"`, own);
  const fix = "Use e.g. debian-12, or the id of a snapshot.";
  const [other] = images;
  if (other) return [foreignImage(`"${image}"`, other.architecture, serverType, fix)];
  const problem = `Hetzner has no image named "${image}".`;
  return [{ setting: "image", code: "type-unavailable", problem, fix }];
}

/** The provider refuses a system image from three months after its deprecation, when the server's key and firewall already exist. */
function withdrawn(image: string, { deprecated }: Pick<Image, "deprecated">): Finding[] {
  if (!deprecated) return [];
  const end = new Date(deprecated);
  end.setUTCMonth(end.getUTCMonth() + 3);
  if (Date.now() <= end.getTime()) return [];
  const problem = `the image ${image} can no longer be ordered: Hetzner deprecated it on ${deprecated.slice(0, 10)}.`;
  return [{ setting: "image", code: "type-unavailable", problem, fix: "Use e.g. debian-12, or the id of a snapshot." }];
}

const foreignImage = (image: string, architecture: string, serverType: string, fix: string): Finding => ({
  setting: "image",
  code: "type-unsuitable",
  problem: `the image ${image} is for ${architecture}, but the server type "${serverType}" is ${architectureOf(serverType)}.`,
  fix,
});

/** Hetzner refuses to write a snapshot to a disk smaller than the one it was taken from, however little is on it. */
function tooLarge(id: number, size: number, disks: readonly Disk[]): Finding[] {
  const small = disks.filter(({ gigabytes }) => gigabytes < size);
  if (small.length === 0) return [];
  const which = small.map(({ of, gigabytes }) => `${of} (${gigabytes} GB)`).join(", ");
  return [
    {
      setting: "image",
      code: "type-unsuitable",
      problem: `the image ${id} was taken from a disk of ${size} GB, which does not fit on the disk of ${which}.`,
      fix: `Use a server type with a disk of ${size} GB or more, or a snapshot of a smaller server.`,
    },
  ];
}

/** What is in a snapshot cannot be read from outside: only the label that `image bake` sets says that it has no identity. */
function unfitSnapshot(
  id: number,
  { [imageLabel]: bakedFor, [bakingLabel]: bakingFor }: Record<string, string>,
  host: string,
  mode: InstallSettings["mode"],
): Finding[] {
  if (bakedFor === undefined && bakingFor !== undefined) {
    const problem = `the snapshot ${id} is unfinished: a bake for ${bakingFor} made it, and the next one deletes it.`;
    const fix = `Wait for the end of the bake, or make one: clawdlets image bake --host ${host}`;
    return [{ setting: "image", code: "type-unsuitable", problem, fix }];
  }
  if (mode === "snapshot" && bakedFor === undefined) return notBaked(id);
  if (bakedFor === undefined) return [];
  const code = "type-unsuitable";
  if (bakedFor !== host) {
    const problem = `the snapshot ${id} was baked for ${bakedFor}, and holds that host's system.`;
    return [{ setting: "image", code, problem, fix: `Make one for this host: clawdlets image bake --host ${host}` }];
  }
  if (mode === "snapshot") return [];
  const problem = `the snapshot ${id} was made by "image bake", and has no cloud-init, which a full installation needs.`;
  return [{ setting: "image", code, problem, fix: 'Set clawdlets:install.mode to "snapshot", or use e.g. debian-12.' }];
}

const unfinished = (id: number): Finding => ({
  setting: "image",
  code: "type-unavailable",
  problem: `Hetzner is still making the image ${id}.`,
  fix: "Run the same command again in a few minutes.",
});

const notBaked = (id: number): Finding[] => [
  {
    setting: "image",
    code: "type-unsuitable",
    problem: `the image ${id} was not made by "image bake", so it may hold the identity of a host.`,
    fix: 'Set clawdlets:install.mode to "full", or make one: clawdlets image bake',
  },
];

async function checkImageId(
  hetzner: Hetzner,
  id: number,
  { serverType, disks, host, install }: Omit<ImageCheck, "image">,
): Promise<Finding[]> {
  const architecture = architectureOf(serverType);
  const fix = `Use the id of a snapshot for ${architecture} in this Hetzner project that is available, or a system image, e.g. debian-12.`;
  const refused = (problem: string): Finding[] => [{ setting: "image", code: "type-unavailable", problem, fix }];
  const unknown = `Hetzner has no image with the id ${id} in the project of this token.`;
  try {
    const params = { params: { path: { id } } };
    const { image } = await answerOf("look up the image", hetzner.GET("/images/{id}", params));
    if (!image) return refused(unknown);
    if (image.architecture !== architecture) return [foreignImage(String(id), image.architecture, serverType, fix)];
    if (image.type === "backup") return refused(`the image ${id} is a backup, which belongs to its own server.`);
    if (image.deleted) return refused(`the image ${id} was deleted on ${image.deleted.slice(0, 10)}.`);
    if (image.status === "creating") return [unfinished(id)];
    if (image.status !== "available") return refused(`the image ${id} is ${image.status}, not available.`);
    if (image.type !== "snapshot") return install?.mode === "snapshot" ? notBaked(id) : withdrawn(String(id), image);
    const unfit = host !== undefined && install ? unfitSnapshot(id, image.labels ?? {}, host, install.mode) : [];
    return [...(disks ? tooLarge(id, image.disk_size, await disks()) : []), ...unfit];
  } catch (error) {
    if (!(error instanceof HetznerApiError) || error.code !== "not_found") throw error;
    return refused(unknown);
  }
}
