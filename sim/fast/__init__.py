"""The controller's RTL as a shared library beside the golden macro's kernels: no simulator process, no cocotb.

- `harness.cpp`: clocks the library, plays the array, moves words in bulk.
- `library`: builds it with Verilator and calls it; `bus`: the host driver's way into it.
- `pair`: the golden controller and the library, each operation on both, compared in bulk.
"""
