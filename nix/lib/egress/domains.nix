# Allowlist entries, with the syntax of squid's dstdomain: "example.com" is only that name, ".example.com" also all its
# subdomains.
let
  label = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
  # A last label that begins with a letter rules out every notation of an IPv4 address.
  lastLabel = "[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";

  isEntry =
    entry:
    builtins.isString entry
    && builtins.stringLength entry <= 254
    && builtins.match "[.]?(${label}[.])+${lastLabel}" entry != null;

  has = pattern: entry: builtins.match ".*${pattern}.*" entry != null;
  reason =
    entry:
    if !builtins.isString entry then
      "it is not a string"
    else if has "[*?]" entry then
      ''wildcards are not known; ".example.com" covers a name and all below it''
    else if has "://" entry || has "/" entry then
      "it is a URL or a path; give only the host name"
    else if has "@" entry then
      "it contains a user name; give only the host name"
    else if builtins.match "[0-9.]+|0[xX][0-9A-Fa-f.xX]+|.*:.*:.*|[[].*" entry != null then
      "addresses are refused; give a DNS name"
    else if has ":" entry then
      "it contains a port; only port 443 is allowed, so give only the host name"
    else if builtins.match ".*[.]" entry != null then
      "it ends in a dot; remove the dot"
    else if builtins.match "[.]?[A-Za-z0-9_-]+" entry != null then
      "a single label is a top-level domain or a local name; give at least two"
    else
      "it is not a host name of letters, digits, hyphens and dots (write other alphabets as xn--…)";

  escape = builtins.replaceStrings [ "." ] [ "\\." ];
in
{
  inherit escape isEntry;

  # Problems as sentences; empty if there are none.
  problems =
    entries:
    map (
      entry:
      "clawdlets.egress.proxy.allowedDomains: ${builtins.toJSON entry} is not allowed: ${reason entry}. Allowed: \"example.com\" (only that name) and \".example.com\" (also its subdomains)."
    ) (builtins.filter (entry: !(isEntry entry)) entries);

  # A POSIX basic regular expression for the host: the default of both tinyproxy 1.11.1 and 1.11.3. The option for extended ones was
  # renamed between them.
  pattern =
    entry:
    if builtins.substring 0 1 entry == "." then
      "\\([a-z0-9_-][a-z0-9_-]*\\.\\)*${escape (builtins.substring 1 (-1) entry)}"
    else
      escape entry;
}
