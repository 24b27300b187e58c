import type { Command } from "commander";

/** A command: its texts, and the module that holds its options and its action. */
export interface CommandEntry {
  /** A verb and a short object, one line of the overview. */
  summary: string;
  /** First paragraph of the command's own help. @default `summary` */
  about?: string;
  load: () => Promise<Command>;
}

/** Subcommands of one word, such as `secrets edit`. */
export interface CommandGroup {
  summary: string;
  commands: Readonly<Record<string, CommandEntry>>;
  /** Runs before each subcommand. */
  before?: () => Promise<void>;
}

/**
 * Every command, by its heading in the overview. Lazy loading: a module is loaded only when its command runs or shows its help, so
 * that `--help` loads none and `install` does not wait for the engine's library.
 */
export const commands: Readonly<Record<string, Readonly<Record<string, CommandEntry | CommandGroup>>>> = {
  "Getting started:": {
    demo: {
      summary: "set up a locked-down host on an emulated Hetzner",
      about:
        "Set up a locked-down host on an emulated Hetzner Cloud. Needs no account and costs nothing; everything it makes is in .demo/.",
      load: async () => (await import("./demo/index.ts")).demoCommand(),
    },
    new: {
      summary: "create a repository of your own for hosts",
      about:
        "Create a repository of your own for hosts: program, flake, workflows, an example stack, and the first commit.",
      load: async () => (await import("./new/index.ts")).newCommand(),
    },
    init: {
      summary: "create a project and a host's keys and secrets",
      about: "Create a project's files and one host's keys, secrets and stack file. Existing files are kept.",
      load: async () => (await import("./init.ts")).initCommand(),
    },
    secrets: {
      summary: "manage a host's keys and secrets",
      before: async () => (await import("./shared/editor.ts")).sweepEdits(),
      commands: {
        init: {
          summary: "create missing keys and encrypted secrets",
          about: "Create the keys and encrypted secrets that a host is missing. Existing ones are kept.",
          load: async () => (await import("./secrets/init.ts")).secretsInitCommand(),
        },
        verify: {
          summary: "check keys, and that every secret decrypts",
          about: "Check keys, file modes, git and recipients, and that both you and the host can decrypt every secret.",
          load: async () => (await import("./secrets/verify.ts")).verifyCommand(),
        },
        edit: {
          summary: "change one secret",
          about: "Change one secret in your editor, at a prompt (--ask) or from standard input.",
          load: async () => (await import("./secrets/edit.ts")).editCommand(),
        },
        path: {
          summary: "print where a host's secrets are stored",
          about: "Print where a host's secrets are stored, on this machine and on the host.",
          load: async () => (await import("./secrets/path.ts")).pathCommand(),
        },
        sync: {
          summary: "send local secrets to a running host",
          about:
            "Send the local secrets to a running host. Only ciphertext is sent, and either all of it arrives or none.",
          load: async () => (await import("./secrets/sync.ts")).syncCommand(),
        },
        rotate: {
          summary: "replace a host's age identity",
          about:
            "Replace a host's age identity: encrypt to both, deliver, then retire the old one. Run it again after an interruption to continue.",
          load: async () => (await import("./secrets/rotate.ts")).rotateCommand(),
        },
        migrate: {
          summary: "upgrade files of older releases",
          about:
            "Upgrade a stack.json of schema 1 or 2 and the old one-file-per-host secrets to the current format. Old files are kept as .bak.",
          load: async () => (await import("./secrets/migrate.ts")).migrateCommand(),
        },
        restore: {
          summary: "restore lost files of .clawdlets from the copy",
          about: "Restore keys, tokens and other files of .clawdlets from the copy that this machine keeps.",
          load: async () => (await import("./secrets/restore.ts")).restoreCommand(),
        },
      },
    },
    vault: {
      summary: "export keys and state to one encrypted file, or import it",
      commands: {
        export: {
          summary: "export .clawdlets to one encrypted file",
          about: "Export .clawdlets, keys and state included, to one file that age encrypts.",
          load: async () => (await import("./vault/export.ts")).exportCommand(),
        },
        import: {
          summary: "import a vault into a fresh clone",
          about: "Import a vault into a clone without .clawdlets, as on a new machine.",
          load: async () => (await import("./vault/import.ts")).importCommand(),
        },
        verify: {
          summary: "check that a vault opens, and what has changed since",
          about: "Check that a vault opens and is intact, how old it is, and what has changed here since. Read-only.",
          load: async () => (await import("./vault/verify.ts")).verifyVaultCommand(),
        },
      },
    },
    operator: {
      summary: "add, remove and list the people who have keys",
      commands: {
        list: {
          summary: "list who can read secrets and log in",
          about: "List the operators: their keys, whose secrets they can read, and where they may log in. Read-only.",
          load: async () => (await import("./operator/list.ts")).listCommand(),
        },
        add: {
          summary: "give another person keys of their own",
          about:
            "Give another person access under keys of their own: re-encrypts every secret and changes the stack files.",
          load: async () => (await import("./operator/add.ts")).addCommand(),
        },
        remove: {
          summary: "lock a person out, and list what they may know",
          about:
            "Lock a person out: re-encrypts every secret, changes the stack files, and lists what they could still know.",
          load: async () => (await import("./operator/remove.ts")).removeCommand(),
        },
        handover: {
          summary: "write what another operator needs to one file",
          about: "Write what another operator needs of .clawdlets to one file that only they can open.",
          load: async () => (await import("./operator/handover.ts")).handoverCommand(),
        },
        join: {
          summary: "become an operator, or take a handover over",
          about: "Make your own identity in a fresh clone, or take over what a colleague's handover holds.",
          load: async () => (await import("./operator/join.ts")).joinCommand(),
        },
      },
    },
    bot: {
      summary: "add, check, operate and remove bots",
      commands: {
        add: {
          summary: "create a bot's folder with a safe configuration",
          about:
            "Create bots/<name>/ with OpenClaw's configuration: direct messages by pairing, no commands, no skills. Edit it afterwards.",
          load: async () => (await import("./bot/add.ts")).addCommand(),
        },
        import: {
          summary: "make folders of the bots of an upstream project",
          about: "Make folders of the bots of a project of regenrek/clawdlets, and say what became of each setting.",
          load: async () => (await import("./bot/import.ts")).importCommand(),
        },
        list: {
          summary: "list the bots of this project",
          load: async () => (await import("./bot/list.ts")).listCommand(),
        },
        show: {
          summary: "show a bot, and which of its secrets are set",
          load: async () => (await import("./bot/show.ts")).showCommand(),
        },
        lint: {
          summary: "check bots for unsafe settings and inline secrets",
          about: "Check the bots' folders for unsafe settings and inline secrets. Read-only.",
          load: async () => (await import("./bot/lint.ts")).lintCommand(),
        },
        status: {
          summary: "show whether bots run and are healthy",
          about: "Show whether bots run, and what their gateways say on /health. Read-only.",
          load: async () => (await import("./bot/status.ts")).statusCommand(),
        },
        logs: {
          summary: "print a bot's journal",
          load: async () => (await import("./bot/logs.ts")).logsCommand(),
        },
        channels: {
          summary: "show whether a bot's channels are connected",
          about: "Show whether a bot's channels run and are connected, as its gateway says.",
          load: async () => (await import("./bot/channels.ts")).channelsCommand(),
        },
        pair: {
          summary: "list who wants to talk to a bot, and let one in",
          about: "List the people who wrote to a bot and got a pairing code, or approve one of the codes.",
          load: async () => (await import("./bot/pair.ts")).pairCommand(),
        },
        restart: {
          summary: "restart a bot",
          load: async () => (await import("./bot/restart.ts")).restartCommand(),
        },
        open: {
          summary: "open a way to a bot's control page",
          about: "Open a way to a bot's control page: a tunnel over ssh, with the pinned host key, until Ctrl-C.",
          load: async () => (await import("./bot/open.ts")).openCommand(),
        },
        remove: {
          summary: "delete the folder of a bot that no host has",
          load: async () => (await import("./bot/remove.ts")).removeCommand(),
        },
      },
    },
    egress: {
      summary: "show what bots may and may not reach",
      commands: {
        explain: {
          summary: "list the domains that bots need, with reasons",
          about:
            "List the domains that bots need by their openclaw.json, with the option that asks for each. Read-only.",
          load: async () => (await import("./egress/explain.ts")).explainCommand(),
        },
        denied: {
          summary: "list what bots tried to reach and were refused",
          about: "List what bots tried to reach and were refused, by bot and domain, with counts. Read-only.",
          load: async () => (await import("./egress/denied.ts")).deniedCommand(),
        },
      },
    },
    adopt: {
      summary: "take over a host made by upstream's OpenTofu",
      about: "Take over a running host that upstream's OpenTofu created. Changes nothing at Hetzner or on the host.",
      load: async () => (await import("./adopt.ts")).adoptCommand(),
    },
  },
  "Declared hosts:": {
    preview: {
      summary: "show what `up` would change",
      about: "Show what `up` would change. Read-only.",
      load: async () => (await import("./preview.ts")).previewCommand(),
    },
    up: {
      summary: "create or update hosts",
      about: "Create or update hosts. Settings, keys and secrets are checked before anything is bought.",
      load: async () => (await import("./up.ts")).upCommand(),
    },
    verify: {
      summary: "check that hosts are locked down as declared",
      about:
        "Check that hosts are locked down as declared: asks the tailnet and Hetzner's API, and tries to connect to TCP/22. Read-only.",
      load: async () => (await import("./verify.ts")).verifyCommand(),
    },
    status: {
      summary: "show the state, drift and cost of hosts",
      about:
        "Show addresses, whether SSH answers from here, installation, age of the secrets, drift and monthly cost. Read-only.",
      load: async () => (await import("./status.ts")).statusCommand(),
    },
    destroy: {
      summary: "delete a host's server AND ITS DISK",
      about:
        "Delete a host's server AND ITS DISK, its firewall and its key at Hetzner. Local keys and secrets are kept.",
      load: async () => (await import("./destroy.ts")).destroyCommand(),
    },
    reap: {
      summary: "destroy hosts of groups that outlived their time",
      about:
        "Destroy hosts of groups that have outlived their time to live, WITH THEIR DISKS. Other hosts are never touched. Local keys and secrets are kept.",
      load: async () => (await import("./fleet/reap.ts")).reapCommand(),
    },
  },
  "Running hosts:": {
    rebuild: {
      summary: "update running hosts to a commit of their repository",
      about: "Update running hosts to a commit of their repository, with the local secrets. Never reinstalls.",
      load: async () => (await import("./rebuild.ts")).rebuildCommand(),
    },
    server: {
      summary: "inspect and operate a running host",
      commands: {
        status: {
          summary: "show the system, bots, failed units and last change",
          about: "Show which system a host runs, its bots, failed units and how its last change ended.",
          load: async () => (await import("./server/status.ts")).statusCommand(),
        },
        logs: {
          summary: "print the journal of a bot, a unit or the host",
          load: async () => (await import("./server/logs.ts")).logsCommand(),
        },
        restart: {
          summary: "restart a bot",
          load: async () => (await import("./server/restart.ts")).restartCommand(),
        },
        rebuild: {
          summary: "update running hosts to a commit of their repository",
          about: "Update running hosts to a commit of their repository, with the local secrets. Never reinstalls.",
          load: async () => (await import("./rebuild.ts")).rebuildCommand(),
        },
        audit: {
          summary: "check what is in force on a running host",
          about:
            "Check that a running host is as declared: system, units, bots, sshd, firewall, sockets, secrets, tailnet. Read-only.",
          load: async () => (await import("./server/audit.ts")).auditCommand(),
        },
        generations: {
          summary: "list the systems the host can roll back to",
          load: async () => (await import("./server/generations.ts")).generationsCommand(),
        },
        rollback: {
          summary: "switch to the previous generation",
          about:
            "Switch the host to its previous generation. If it cannot be reached afterwards, it switches back on its own.",
          load: async () => (await import("./server/generations.ts")).rollbackCommand(),
        },
      },
    },
    backup: {
      summary: "back up bots, and restore them",
      commands: {
        now: {
          summary: "back up every bot of a host now",
          load: async () => (await import("./backup/now.ts")).nowCommand(),
        },
        list: {
          summary: "list the backups of a host's bots",
          load: async () => (await import("./backup/list.ts")).listCommand(),
        },
        restore: {
          summary: "restore a bot's files, to a folder or in place",
          about: "Restore a bot's files from a backup: to a folder on the host, or in place.",
          load: async () => (await import("./backup/restore.ts")).restoreCommand(),
        },
        check: {
          summary: "check that the backups are whole",
          about: "Check that the repository is whole, and remove data that no backup needs.",
          load: async () => (await import("./backup/check.ts")).checkCommand(),
        },
      },
    },
    image: {
      summary: "snapshots that new servers start from",
      commands: {
        bake: {
          summary: "make a snapshot of a host's system without its identity",
          load: async () => (await import("./image/bake.ts")).bakeCommand(),
        },
        list: {
          summary: "list the snapshots, and which hosts use them",
          load: async () => (await import("./image/list.ts")).listCommand(),
        },
        delete: {
          summary: "delete a snapshot that no host uses",
          load: async () => (await import("./image/delete.ts")).deleteCommand(),
        },
      },
    },
    tailnet: {
      summary: "show or renew a host's place in the tailnet",
      commands: {
        status: {
          summary: "show this machine's client, the host and its namesakes",
          about:
            "Show this machine's tailscale, and each machine with the host's name: addresses, tags, expiry, and whether it has the pinned key. Tries again to delete what earlier runs left in the tailnet; otherwise read-only.",
          load: async () => (await import("./tailnet/status.ts")).statusCommand(),
        },
        rekey: {
          summary: "make a host a new device, with a new key",
          about:
            "Make a host a new device of its tailnet, with a new key. If it cannot be reached at its new address, it rolls back to its old device on its own.",
          load: async () => (await import("./tailnet/rekey.ts")).rekeyCommand(),
        },
        policy: {
          summary: "print the access rules that bot hosts need",
          about:
            "Print the tailnet's access rules for bot hosts: admins reach port 22, and the hosts reach nobody. Read-only.",
          load: async () => (await import("./tailnet/policy.ts")).policyCommand(),
        },
      },
    },
    ssh: {
      summary: "log in to a host, or run a command there",
      about: "Log in to a host as admin, or run a command there. Accepts only the pinned host key.",
      load: async () => (await import("./ssh.ts")).sshCommand(),
    },
  },
  "Troubleshooting:": {
    lockdown: {
      summary: "close TCP/22 of a host, and prove it",
      about:
        "Close TCP/22 of a host and prove that it is closed. Closing needs only the Hetzner token: no SSH, and no other file.",
      load: async () => (await import("./lockdown.ts")).lockdownCommand(),
    },
    doctor: {
      summary: "check everything, and say how to fix it",
      about: "Check the repository, the stack and the hosts, and say what is wrong and how to fix it. Read-only.",
      load: async () => (await import("./doctor.ts")).doctorCommand(),
    },
    window: {
      summary: "open TCP/22 for a while, close it, or list windows",
      commands: {
        open: {
          summary: "OPEN TCP/22 of a host to the admin networks",
          about: "OPEN TCP/22 of a host to the admin networks. A guard process closes it when the time is up.",
          load: async () => (await import("./window.ts")).openCommand(),
        },
        close: {
          summary: "close every window of a host, and prove it",
          about:
            "Close every window of a host, no matter who opened it, then try to connect. Works even if local files are broken.",
          load: async () => (await import("./window.ts")).closeCommand(),
        },
        list: {
          summary: "list the windows that Hetzner knows",
          about: "List the windows that Hetzner knows and, with --history, what this machine opened and closed.",
          load: async () => (await import("./window.ts")).listCommand(),
        },
      },
    },
    logs: {
      summary: "print a host's latest installer log",
      about: "Print the raw installer log of a host's latest installation. It may quote what the installer was given.",
      load: async () => (await import("./logs.ts")).logsCommand(),
    },
  },
  "Internal:": {
    completion: {
      summary: "print the completion script of a shell",
      about: "Print the completion script of a shell: commands, options and the project's host names.",
      load: async () => (await import("./completion/index.ts")).completionCommand(),
    },
    env: {
      summary: "print the environment that pulumi needs",
      about:
        'Print the environment that pulumi needs. In the project\'s folder: eval "$(npx --no-install clawdlets env)"',
      load: async () => (await import("./internal/env.ts")).envCommand(),
    },
    emulator: {
      summary: "run a Hetzner Cloud emulator",
      about:
        "Run a Hetzner Cloud emulator on this machine. Prints one line of JSON {endpoint, token, sshPort} when it is ready.",
      load: async () => (await import("./internal/emulator.ts")).emulatorCommand,
    },
    install: {
      summary: "install NixOS on a host's server",
      about: "Install NixOS on a host's server, once. Run by `up`, which names the server in CLAWDLETS_FACTS.",
      load: async () => (await import("./internal/install.ts")).installCommand(),
    },
    forget: {
      summary: "clean up after a deleted host of a group",
      about:
        "Close what a deleted host of a group left open, remove it from the tailnet, and archive its keys. Run by `up`, after the server.",
      load: async () => (await import("./internal/forget.ts")).forgetCommand(),
    },
  },
};
