# tinyproxy's two files. Needs only `builtins`.
#
# The filter sees the request's target as written (FilterURLs), "host:443" for CONNECT, and each line is anchored with ^ and $.
# So one expression covers method, host and port: a plain GET, another port, a user name, brackets, a trailing dot or an address in
# any notation does not match, and is refused (FilterDefaultDeny) before any DNS lookup.
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
rec {
  inherit (domains) problems;

  # Connections that a bot may have to its proxy at a time; nftables resets more.
  clientsOfBot = 64;
  # Connections that the proxy takes: those, and room for what is just ending.
  clients = 2 * clientsOfBot;

  # { allowedDomains; plainHttp ? false } -> text. Throws with every invalid entry. An empty list allows nothing: the file
  # still needs a line, since tinyproxy 1.11.1 treats a file without expressions as no filter.
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

  # The one server that backups go to, for the filter of their proxy.
  onlyTo = { host, port }: "^${domains.escape host}:${toString port}$\n";

  # { address ? "127.0.0.1"; port ? 3128; filterFile; connectPort ? 443 } -> text. Logs only refusals (Notice), to standard output and so to the journal.
  config =
    {
      address ? "127.0.0.1",
      port ? 3128,
      filterFile,
      connectPort ? 443,
    }:
    text.lines [
      "Listen ${address}"
      "Port ${toString port}"
      "Allow 127.0.0.1"
      "ConnectPort ${toString connectPort}"
      "Filter ${text.quoted filterFile}"
      "FilterURLs On"
      "FilterDefaultDeny Yes"
      "FilterCaseSensitive Off"
      # Idle timeout of a tunnel. Discord's gateway sends a heartbeat every 41 seconds.
      "Timeout 600"
      "MaxClients ${toString clients}"
      "DisableViaHeader Yes"
      "LogLevel Notice"
      ""
    ];
}
