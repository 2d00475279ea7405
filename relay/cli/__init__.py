"""The `relay` command and its subcommands."""
