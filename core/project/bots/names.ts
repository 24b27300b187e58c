/** As nix/lib/names.nix: a user name has at most 31 characters, and four of them are "bot-". */
export const botNamePattern = /^[a-z][a-z0-9_-]{0,26}$/;

/** For messages, after `allowed: `. */
export const botNameAllowed = 'a lowercase letter, then up to 26 of a-z, 0-9, "_" and "-"';
