# tinyproxy's two files. Needs only `builtins`.
#
# The filter sees the request's target as it was written (FilterURLs), "host:443" for CONNECT, and each line covers it from ^
# to $. So one expression holds method, host and port: a plain GET, a port, a user name, brackets, a trailing dot or an
# address in any notation is no match, and what is no match is refused (FilterDefaultDeny) before any name is looked up.
let
  text = import ../text.nix;
  domains = import ./domains.nix;

  lines =
    plainHttp: entry:
    let
      host = domains.pattern entry;
    in
    [ "^${host}:443$" ]
    ++ (if plainHttp then [ "^http://${host}\\(:80\\)\\{0,1\\}\\(/.*\\)\\{0,1\\}$" ] else [ ]);
in
{
  inherit (domains) problems;

  # { allowedDomains; plainHttp ? false } -> text. Throws with every entry that is none. An empty list allows nothing: then
  # the file must still hold a line, since tinyproxy 1.11.1 takes one without expressions for no filter.
  filter =
    {
      allowedDomains,
      plainHttp ? false,
    }:
    let
      found = domains.problems allowedDomains;
      entries = if allowedDomains == [ ] then [ "^nothing is allowed:$" ] else null;
    in
    if found != [ ] then
      throw (text.lines found)
    else
      text.lines (
        (
          if entries != null then
            entries
          else
            text.unique (builtins.concatMap (lines plainHttp) allowedDomains)
        )
        ++ [ "" ]
      );

  # { port ? 3128; filterFile } -> text. Logs refusals alone (Notice), to standard output and so to the journal.
  config =
    {
      port ? 3128,
      filterFile,
    }:
    text.lines [
      "Listen 127.0.0.1"
      "Port ${toString port}"
      "Allow 127.0.0.1"
      "ConnectPort 443"
      "Filter ${text.quoted filterFile}"
      "FilterURLs On"
      "FilterDefaultDeny Yes"
      "FilterCaseSensitive Off"
      # How long a tunnel may be silent. Discord's gateway speaks every 41 seconds.
      "Timeout 600"
      "MaxClients 256"
      "DisableViaHeader Yes"
      "LogLevel Notice"
      ""
    ];
}
