import type { Command } from "commander";

/** A command: what the overview says of it, and the module that has its options and does its work. */
export interface CommandEntry {
  about: string;
  load: () => Promise<Command>;
}

/** Commands below one word, as `secrets edit`. */
export interface CommandGroup {
  about: string;
  commands: Readonly<Record<string, CommandEntry>>;
  /** Run before each of them. */
  before?: () => Promise<void>;
}

/**
 * Every command, by the heading of the overview. A module is loaded only when its command is run or asked for its help: `--help`
 * needs none of them, and `install` should not wait for the engine's library.
 */
export const commands: Readonly<Record<string, Readonly<Record<string, CommandEntry | CommandGroup>>>> = {
  "Begin:": {
    demo: {
      about: "from nothing to a locked-down host on the embedded Hetzner: no account, no cost, everything in .demo/",
      load: async () => (await import("./demo/index.ts")).demoCommand(),
    },
    init: {
      about: "make a project's files and a host's keys, secrets and stack file; what is there stays",
      load: async () => (await import("./init.ts")).initCommand(),
    },
    secrets: {
      about: "keys and secrets of a host: make, check, change, deliver, rotate, restore",
      before: async () => (await import("./shared/editor.ts")).sweepEdits(),
      commands: {
        init: {
          about: "make the keys and encrypted secrets a host still lacks; what is there stays",
          load: async () => (await import("./secrets/init.ts")).secretsInitCommand(),
        },
        verify: {
          about: "check keys, modes, git, recipients, and that each secret decrypts for the host and for you",
          load: async () => (await import("./secrets/verify.ts")).verifyCommand(),
        },
        edit: {
          about: "change one secret: in your editor, from a prompt with --ask, or from standard input",
          load: async () => (await import("./secrets/edit.ts")).editCommand(),
        },
        path: {
          about: "print where a host's secrets are, on this machine and on the host",
          load: async () => (await import("./secrets/path.ts")).pathCommand(),
        },
        sync: {
          about: "bring a running host the secrets that are here: ciphertext only, all of them or none",
          load: async () => (await import("./secrets/sync.ts")).syncCommand(),
        },
        rotate: {
          about:
            "give a host a new age identity: encrypt to both, deliver, retire the old one; goes on where it was killed",
          load: async () => (await import("./secrets/rotate.ts")).rotateCommand(),
        },
        migrate: {
          about:
            "bring stack.json of schema 1 or 2, and one file of secrets a host, to today's form; old files stay as .bak",
          load: async () => (await import("./secrets/migrate.ts")).migrateCommand(),
        },
        restore: {
          about: "put back keys, tokens and other files of .clawdlets from the copy that this machine keeps",
          load: async () => (await import("./secrets/restore.ts")).restoreCommand(),
        },
      },
    },
    adopt: {
      about: "take over a running host that upstream's OpenTofu made: changes nothing at Hetzner or on the host",
      load: async () => (await import("./adopt.ts")).adoptCommand(),
    },
  },
  "Hosts as they are declared:": {
    preview: {
      about: "show what `up` would do; changes nothing",
      load: async () => (await import("./preview.ts")).previewCommand(),
    },
    up: {
      about: "create or update hosts: settings, keys and secrets are checked before anything is bought",
      load: async () => (await import("./up.ts")).upCommand(),
    },
    verify: {
      about:
        "check that hosts are locked down as declared: tailnet, firewalls by the API, TCP/22 by connecting; read-only",
      load: async () => (await import("./verify.ts")).verifyCommand(),
    },
    status: {
      about: "show hosts: addresses, ssh as seen from here, installation, secrets' age, drift, cost a month",
      load: async () => (await import("./status.ts")).statusCommand(),
    },
    destroy: {
      about: "delete a host's server WITH ITS DISK, its firewall and its key; local keys and secrets stay",
      load: async () => (await import("./destroy.ts")).destroyCommand(),
    },
  },
  "Running hosts:": {
    rebuild: {
      about: "bring running hosts to a commit of their repository, with the secrets that are here; never a reinstall",
      load: async () => (await import("./rebuild.ts")).rebuildCommand(),
    },
    server: {
      about: "look at and operate a running host",
      commands: {
        status: {
          about: "what the host runs, its bots, failed units, and how its last change ended",
          load: async () => (await import("./server/status.ts")).statusCommand(),
        },
        logs: {
          about: "what a bot, or the host's last change, has written to the journal",
          load: async () => (await import("./server/logs.ts")).logsCommand(),
        },
        restart: {
          about: "restart a bot",
          load: async () => (await import("./server/restart.ts")).restartCommand(),
        },
        rebuild: {
          about:
            "bring running hosts to a commit of their repository, with the secrets that are here; never a reinstall",
          load: async () => (await import("./rebuild.ts")).rebuildCommand(),
        },
        audit: {
          about: "whether a running host is as it should be: system, installation, units, bots, secrets; read-only",
          load: async () => (await import("./server/audit.ts")).auditCommand(),
        },
        generations: {
          about: "list the systems that the host has run, and can go back to",
          load: async () => (await import("./server/generations.ts")).generationsCommand(),
        },
        rollback: {
          about: "switch the host to the generation before; taken back if it cannot be reached then",
          load: async () => (await import("./server/generations.ts")).rollbackCommand(),
        },
      },
    },
    ssh: {
      about: "log in to a host as admin, or run a command there, under its pinned key",
      load: async () => (await import("./ssh.ts")).sshCommand(),
    },
  },
  "When something is wrong:": {
    lockdown: {
      about: "close TCP/22 of a host and show that it is closed; to close needs only the API, neither ssh nor files",
      load: async () => (await import("./lockdown.ts")).lockdownCommand(),
    },
    doctor: {
      about: "look at everything: what was looked at, what was found, how to mend it; changes nothing",
      load: async () => (await import("./doctor.ts")).doctorCommand(),
    },
    window: {
      about: "open TCP/22 of a host to your own address for a while, close it, or list what is open",
      commands: {
        open: {
          about: "OPEN TCP/22 of a host to the admin networks; a guard closes it when the minutes are over",
          load: async () => (await import("./window.ts")).openCommand(),
        },
        close: {
          about:
            "close every window of a host, whoever opened it and whatever is wrong with the files here, then try to connect",
          load: async () => (await import("./window.ts")).closeCommand(),
        },
        list: {
          about: "list what Hetzner has of windows, and with --history what this machine opened and closed",
          load: async () => (await import("./window.ts")).listCommand(),
        },
      },
    },
    logs: {
      about: "print the newest raw installer log of a host; it may quote what the installer was given",
      load: async () => (await import("./logs.ts")).logsCommand(),
    },
  },
  "Internal:": {
    env: {
      about: 'print what pulumi needs, for eval "$(npx --no-install clawdlets env)" in the project\'s folder',
      load: async () => (await import("./env.ts")).envCommand(),
    },
    emulator: {
      about: "run a Hetzner Cloud on this machine; prints one JSON line {endpoint, token, sshPort} when it is ready",
      load: async () => (await import("./emulator.ts")).emulatorCommand,
    },
    install: {
      about: "install NixOS on a host's server, once; run by `up`, which names the server in CLAWDLETS_FACTS",
      load: async () => (await import("./install.ts")).installCommand(),
    },
  },
};
