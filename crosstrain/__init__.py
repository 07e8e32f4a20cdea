"""The command line: it parses, calls `sim`, `model`, `hw`, `fpga` and `formal`, and prints.  Nothing is computed here."""
