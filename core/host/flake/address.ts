/** What a folder's path is in a flake's URI: everything that nix does not take as it is, is percent-encoded. */
export const encodedPath = (path: string) => encodeURI(path).replace(/[?#]/g, encodeURIComponent);

/** The same of a value in a URI's query, where "&", "=" and "+" mean something as well. */
export const encodedValue = (text: string) => encodeURIComponent(text).replaceAll("%2F", "/");

/** The same of what a person wrote, who may have encoded some of it already. */
export const encodedOnce = (text: string) => encodeURI(text).replace(/%25(?=[0-9A-Fa-f]{2})/g, "%");

/** As nix reads a URL's path. */
export function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // A "%" that stands for itself.
  }
}
