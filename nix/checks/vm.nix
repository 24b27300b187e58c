# A host boots in a virtual machine with what the installation delivers (core/host/delivery/extra-files.ts): age identity, sops
# files, ssh host key and install id, each with owner and mode. Then it is checked from inside and from another machine.
{ self, pkgs }:
let
  hello = "${pkgs.writeShellScript "bot" ''
    ${pkgs.coreutils}/bin/cat "$CREDENTIALS_DIRECTORY/discord_token_maren" >"$HOME/seen"
    exec ${pkgs.coreutils}/bin/sleep infinity
  ''}";

  # Keys and secrets for this test only, generated when it is built.
  delivered =
    pkgs.runCommand "clawdlets-delivered"
      {
        nativeBuildInputs = [
          pkgs.age
          pkgs.mkpasswd
          pkgs.openssh
          pkgs.sops
        ];
      }
      ''
        mkdir -p $out/secrets
        age-keygen -o $out/key.txt
        recipient=$(age-keygen -y $out/key.txt)
        encrypt() {
          printf '%s: "%s"\n' "$1" "$2" >plain.yaml
          sops encrypt --age "$recipient" --input-type yaml --output-type yaml plain.yaml >$out/secrets/$1.yaml
        }
        encrypt admin_password_hash "$(mkpasswd --method=yescrypt 'right horse')"
        encrypt discord_token_maren canary-token
        ssh-keygen -q -t ed25519 -N "" -f $out/host
        ssh-keygen -q -t ed25519 -N "" -f $out/client
      '';
  secretsDir = "/var/lib/clawdlets/secrets/hosts/host";
in
pkgs.testers.runNixOSTest {
  name = "clawdlets-host";

  nodes.host =
    { lib, ... }:
    {
      imports = [ self.nixosModules.default ];
      clawdlets = {
        hostName = "host";
        publicSsh.enable = true;
        # Replaced below: build output cannot be read during evaluation (import-from-derivation).
        adminSshKeys = [
          "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjTrP2PB+7IVvyoXcRhlWo8aac6mXJvuWm57bHZKIdI none"
        ];
        swap.sizeMiB = 0;
        bots.maren.command = hello;
      };
      # The test's machine has a disk, a boot loader and a network of its own.
      disko.enableConfig = false;
      boot.loader.grub.enable = lib.mkForce false;
      systemd.services.clawdlets-ipv6.enable = false;
      environment.etc."ssh/authorized_keys.d/admin".source = lib.mkForce "${delivered}/client.pub";
      # Before anything reads them, as extra-files are there before the first boot.
      system.activationScripts = {
        deliver = {
          deps = [ "specialfs" ];
          text = ''
            put() {
              mkdir -p "$(dirname "$3")"
              # Root's own, as root runs it. Names of users cannot be looked up yet: this comes before there are any.
              [ -e "$3" ] || install -m "$1" "$2" "$3"
            }
            put 0400 ${delivered}/key.txt /var/lib/sops-nix/key.txt
            put 0600 ${delivered}/host /etc/ssh/ssh_host_ed25519_key
            for file in ${delivered}/secrets/*.yaml; do
              put 0400 "$file" "${secretsDir}/$(basename "$file")"
            done
            echo install-1 >/var/lib/clawdlets/install-id
          '';
        };
        setupSecretsForUsers.deps = [ "deliver" ];
      };
    };

  nodes.client = {
    environment.etc."client-key" = {
      source = "${delivered}/client";
      mode = "0600";
    };
  };

  testScript = ''
    start_all()
    host.wait_for_unit("multi-user.target")
    host.wait_for_unit("clawdbot-maren.service")
    client.wait_for_unit("multi-user.target")

    host.succeed("uname -n | grep -x host")
    host.succeed("ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key | cut -d' ' -f2 | grep -xF \"$(cut -d' ' -f2 ${delivered}/host.pub)\"")
    # The unit is active as soon as its process runs, which may be before the file is written.
    host.wait_until_succeeds("grep -x canary-token /srv/clawdbot/maren/seen")
    host.succeed("stat -c '%a %U' /run/secrets/discord_token_maren | grep -x '400 root'")
    host.fail("grep -r canary-token /nix/store/*clawdbot* /etc/systemd/system")
    host.succeed("systemd-analyze security --threshold=20 clawdbot-maren.service")
    host.succeed("su bot-maren -s /bin/sh -c 'cat /run/secrets/discord_token_maren' && exit 1 || true")

    ssh = "ssh -i /etc/client-key -o StrictHostKeyChecking=no -o BatchMode=yes"
    client.succeed(f"{ssh} admin@host 'cat /var/lib/clawdlets/install-id' | grep -x install-1")
    client.succeed(f"{ssh} admin@host '[ -e /run/secrets/discord_token_maren ]'")
    client.succeed(f"{ssh} admin@host '[ -e /run/secrets-for-users/admin_password_hash ]'")
    client.fail(f"{ssh} root@host true")
    client.fail(f"{ssh} breakglass@host true")

    sudo = f"{ssh} admin@host sudo -n /run/current-system/sw/bin"
    client.succeed(f"{sudo}/systemctl restart clawdbot-maren.service")
    client.succeed(f"{sudo}/journalctl --no-pager --output=short-iso --unit=clawdbot-maren.service --lines=5")
    client.fail(f"{sudo}/systemctl restart clawdbot-maren.service sshd.service")
    client.fail(f"{sudo}/bash -c true")
    client.succeed(f"tar c --directory ${delivered}/secrets admin_password_hash.yaml discord_token_maren.yaml | {sudo}/clawdlets-receive-secrets | grep '\"ok\":true'")

    # The egress policy is in force; test/nix/egress tests it on the wire.
    # Not grep -q: it ends at the first match, nft by SIGPIPE then, and the test driver's shells have pipefail.
    host.succeed("nft list ruleset | grep 2525")
    host.succeed("nft list ruleset | grep 169.254.169.254")

    host.shutdown()
    host.start()
    host.wait_for_unit("clawdbot-maren.service")
    client.wait_until_succeeds(f"{ssh} admin@host true")
  '';
}
