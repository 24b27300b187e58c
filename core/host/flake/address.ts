/** Percent-encodes a folder's path for a flake's URI. */
export const encodedPath = (path: string) => encodeURI(path).replace(/[?#]/g, encodeURIComponent);

/** Percent-encodes a value in a URI's query, where "&", "=" and "+" are special, too. */
export const encodedValue = (text: string) => encodeURIComponent(text).replaceAll("%2F", "/");

/** Percent-encodes text typed by a person, who may have encoded parts of it already. */
export const encodedOnce = (text: string) => encodeURI(text).replace(/%25(?=[0-9A-Fa-f]{2})/g, "%");

/** Decodes a URL's path as nix does. */
export function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // A literal "%".
  }
}
