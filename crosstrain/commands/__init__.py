"""One module per group of commands.  Each imports what it runs when it runs, so that `--help` is quick."""
