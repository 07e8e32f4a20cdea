"""Non-idealities that only the golden model has, one a file: labels, converters' nonlinearity, wires, age, wear, disturb.

Each is a pure function of integers and of tables that are rounded once from floats.  A macro without effects has None in
their place: its kernels are compiled without them.  Formulas and sources: docs/nonidealities.md.
"""
