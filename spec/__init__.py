"""The single source: parameters, numeric rules, register map, device image and file formats.

Pure Python. `model`, `hw`, `sim`, `fpga` and the documents read it; it imports none of them.
"""
