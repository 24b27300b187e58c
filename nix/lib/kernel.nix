# Kernel settings of a host that runs code nobody has read. Each with what it takes away.
{
  # Processes may not look into each other, debuggers below their children only.
  "kernel.yama.ptrace_scope" = 1;
  # Addresses of the kernel, and its messages, for root only.
  "kernel.kptr_restrict" = 2;
  "kernel.dmesg_restrict" = 1;
  # Interfaces that many privilege escalations began with. 2: only with CAP_SYS_ADMIN or CAP_PERFMON; 1: once for all.
  "kernel.perf_event_paranoid" = 3;
  "kernel.unprivileged_bpf_disabled" = 1;
  "net.core.bpf_jit_harden" = 2;
  "kernel.kexec_load_disabled" = 1;
  "kernel.sysrq" = 0;
  "vm.unprivileged_userfaultfd" = 0;
  "dev.tty.ldisc_autoload" = 0;

  # A crashed process is not written to a disk with its secrets in it.
  "fs.suid_dumpable" = 0;
  # Links and FIFOs in folders that anybody writes to are followed for their owner only.
  "fs.protected_symlinks" = 1;
  "fs.protected_hardlinks" = 1;
  "fs.protected_fifos" = 2;
  "fs.protected_regular" = 2;

  # No router decides where packets go but the one we have.
  "net.ipv4.conf.all.accept_redirects" = 0;
  "net.ipv4.conf.default.accept_redirects" = 0;
  "net.ipv4.conf.all.secure_redirects" = 0;
  "net.ipv4.conf.default.secure_redirects" = 0;
  "net.ipv4.conf.all.send_redirects" = 0;
  "net.ipv4.conf.default.send_redirects" = 0;
  "net.ipv4.conf.all.accept_source_route" = 0;
  "net.ipv6.conf.all.accept_redirects" = 0;
  "net.ipv6.conf.default.accept_redirects" = 0;
  "net.ipv6.conf.all.accept_source_route" = 0;
  "net.ipv4.icmp_echo_ignore_broadcasts" = 1;
  "net.ipv4.tcp_syncookies" = 1;
}
