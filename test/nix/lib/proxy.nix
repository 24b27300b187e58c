let
  proxy = import ../../../nix/lib/egress/proxy.nix;
  linesOf = allowedDomains: proxy.filter { inherit allowedDomains; };
  refused = entry: proxy.problems [ entry ] != [ ];
  each = test: entries: builtins.filter (entry: !(test entry)) entries;
  # Converts a basic regular expression to Nix's extended syntax, which needs different backslashes.
  reasonOf =
    entry:
    builtins.elemAt (builtins.match ".* is not allowed: ([^.;]*)[.;].*" (
      builtins.head (proxy.problems [ entry ])
    )) 0;
in
{
  "a name is itself, at 443" = {
    expr = linesOf [ "api.example.com" ];
    expected = "^api\\.example\\.com:443$\n";
  };
  "a suffix is the name and what is below it, as in squid" = {
    expr = linesOf [ ".example.com" ];
    expected = "^\\([a-z0-9_-][a-z0-9_-]*\\.\\)*example\\.com:443$\n";
  };
  "an entry that stands twice is written once" = {
    expr = linesOf [
      "example.com"
      "example.com"
    ];
    expected = "^example\\.com:443$\n";
  };
  "an empty list allows nothing" = {
    expr = linesOf [ ];
    expected = "^nothing is allowed:$\n";
  };
  "plain HTTP is a line more, at port 80 alone" = {
    expr = proxy.filter {
      allowedDomains = [ "example.com" ];
      plainHttp = true;
    };
    expected = "^example\\.com:443$\n^http://example\\.com\\(:80\\)\\{0,1\\}\\(/.*\\)\\{0,1\\}$\n";
  };
  "squid-style entries are taken" = {
    expr = each (entry: !(refused entry)) [
      "example.com"
      ".example.com"
      "EXAMPLE.com"
      "a.b.c.d.e.example.com"
      "xn--bcher-kva.example"
      "_acme-challenge.example.com"
      "1.example.com"
      "127.0.0.1.example.com"
      "a-b.example.co.uk"
      ".discord.gg"
      "${
        builtins.substring 0 63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"
      }.example"
    ];
    expected = [ ];
  };
  "everything else is refused" = {
    expr = each refused [
      ""
      "."
      ".com"
      "com"
      "localhost"
      "*"
      "*.example.com"
      "api.*.com"
      "example.com."
      "..example.com"
      "a..example.com"
      "-a.example.com"
      "a-.example.com"
      "example.com:443"
      "https://example.com"
      "example.com/path"
      "user@example.com"
      "127.0.0.1"
      "1.2.3"
      "0x7f.1"
      "2130706433"
      "0177.0.0.1"
      "[::1]"
      "::1"
      "2001:db8::1"
      "10.0.0.0/8"
      "exa mple.com"
      "example.com\n^.*$"
      "example.com|evil.example"
      "(a).example.com"
      "bücher.example"
      "${
        builtins.substring 0 64 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg"
      }.example"
      443
      null
      [ "example.com" ]
    ];
    expected = [ ];
  };
  "the reason is said" = {
    expr = map reasonOf [
      "*.example.com"
      "https://example.com"
      "user@example.com"
      "127.0.0.1"
      "[::1]"
      "example.com:443"
      "example.com."
      ".com"
      443
    ];
    expected = [
      "wildcards are not known"
      "it is a URL or a path"
      "it contains a user name"
      "addresses are refused"
      "addresses are refused"
      "it contains a port"
      "it ends in a dot"
      "a single label is a top-level domain or a local name"
      "it is not a string"
    ];
  };
  "a message names the entry and what is allowed" = {
    expr = proxy.problems [
      "ok.example"
      "*.example.com"
    ];
    expected = [
      "clawdlets.egress.proxy.allowedDomains: \"*.example.com\" is not allowed: wildcards are not known; \".example.com\" covers a name and all below it. Allowed: \"example.com\" (only that name) and \".example.com\" (also its subdomains)."
    ];
  };
  "a bad entry makes no filter" = {
    expr = (builtins.tryEval (linesOf [ "*.example.com" ])).success;
    expected = false;
  };
}
