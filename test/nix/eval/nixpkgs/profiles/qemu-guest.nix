# Stands for nixpkgs' module of this path, which sets virtio modules for the initrd.
{ }
