"""The behavioural crossbar in Amaranth: an answer to the macro port that is simulated as well as synthesized.

It computes what `spec.device_image` says, bit for bit like the golden macro (`model.device.macro`).  The amplitude
code of a pulse is ignored: a device image describes one amplitude.

- `crossbar`: ports, the state memory and the order of operations; everything else hangs on it.
- `row_codes`: the input codes, in two banks, and the walk over their non-zero rows.
- `read_unit`: one read: `column_sums` accumulates them, `isqrt` gives the size of their noise; `converters`: the comparators.
- `write_unit`: which cells an erase or a strobe touches; `write_lane`: what one pulse does to one cell.
- `readout`: the states of one pair.
- `device_tables`, `event_keys`: tables, constants and generator keys of the compiled device.
- `pipeline`: values that know their stage, so that the arithmetic above reads as its formulas.
- `timing`: cycles of each operation, for those who predict time.

A read handles `macro_lanes` columns a cycle.  Erase and strobe handle one device a cycle, because pulses are rare
in training and the arithmetic of a pulse takes some 30 multipliers of an FPGA (a row's worth of it would not fit,
and would cost every simulated cycle).
"""
