# The allow-list's entries, written as for squid's dstdomain: "example.com" is that name alone, ".example.com" is it and every
# name below it.
let
  label = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
  # A last label that begins with a letter is never a number, so no notation of an IPv4 address is a name here.
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
      "it is no text"
    else if has "[*?]" entry then
      ''wildcards are not known; ".example.com" covers a name and all below it''
    else if has "://" entry || has "/" entry then
      "it is a URL or path; give the host name alone"
    else if has "@" entry then
      "it holds a user name; give the host name alone"
    else if builtins.match "[0-9.]+|0[xX][0-9A-Fa-f.xX]+|.*:.*:.*|[[].*" entry != null then
      "addresses are refused; give a name that DNS knows"
    else if has ":" entry then
      "it holds a port; CONNECT goes to 443 only, so give the host name alone"
    else if builtins.match ".*[.]" entry != null then
      "it ends in a dot; leave the dot out"
    else if builtins.match "[.]?[A-Za-z0-9_-]+" entry != null then
      "one label is a whole top-level domain or a local name; give at least two"
    else
      "it is no host name of letters, digits, hyphens and dots (write other alphabets as xn--…)";

  escape = builtins.replaceStrings [ "." ] [ "\\." ];
in
{
  inherit isEntry;

  # Sentences; empty: all is well.
  problems =
    entries:
    map (
      entry:
      "clawdlets.egress.proxy.allowedDomains: ${builtins.toJSON entry} is not allowed: ${reason entry}. Allowed are \"example.com\" (that name) and \".example.com\" (it and every name below)."
    ) (builtins.filter (entry: !(isEntry entry)) entries);

  # A basic regular expression (POSIX) for the host: tinyproxy 1.11.1 and 1.11.3 both read this kind when told nothing, while
  # the option that asks for the extended kind was renamed between them.
  pattern =
    entry:
    if builtins.substring 0 1 entry == "." then
      "\\([a-z0-9_-][a-z0-9_-]*\\.\\)*${escape (builtins.substring 1 (-1) entry)}"
    else
      escape entry;
}
