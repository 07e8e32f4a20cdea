"""A board without a board: `FpgaTop` in Verilator, its UART pins on a pseudo-terminal."""
