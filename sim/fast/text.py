"""What the bench's SystemVerilog and C++ take from the parameters: sizes as macros, and the wires of the controller."""

from amaranth.hdl import Shape
from amaranth.lib import wiring

from hw.controller import controller_ports
from hw.taps import tap_layouts
from spec.params import ENCODINGS, HwParams

MACRO = {"WORD": "dac_word", "GROUP": "group", "INTEGRATE": "integrate_cycles", "ENCODING": "encoding",
         "PLANE": "plane", "KIND": "readout_kind", "READING": "reading"}  # fmt: skip
"""Ports of the array whose width is a macro; those that are not built in have none."""


def sizes(params: HwParams) -> dict[str, int]:
    """Macros of sizes.svh and sizes.h, by name."""
    p, ports = params, port_widths(params)
    return {
        "ROWS": p.rows,
        "COLUMNS": p.columns,
        "LANES": p.dac_load_lanes,
        "WORDS": p.row_words,
        "DAC_BITS": p.dac_bits,
        "CHANNELS": p.adc_channels,
        "GROUPS": p.adc_groups,
        "ADC_BITS": p.adc_bits,
        "STATE_BITS": p.state_bits,
        "BIT_SERIAL": ENCODINGS.index("bit_serial"),
        "ROW_BITS": p.row_bits,
        "COLUMN_BITS": p.column_bits,
        "TAPS_BITS": sum(bits for name, bits in ports.items() if name.startswith("taps__")),
        **{f"{name.upper()}_BITS": ports[f"{name}__payload"] for name in ("request", "samples", "counts")},
        **{
            f"{name}_BITS": ports[f"macro__{port}"]
            for name, port in MACRO.items()
            if f"macro__{port}" in ports
        },
    }


def port_widths(params: HwParams) -> dict[str, int]:
    """Bits of each port of a controller, by its name in the emitted text."""
    members = wiring.Signature(controller_ports(params)).members.flatten()
    return {"__".join(map(str, path)): Shape.cast(m.shape).width for path, m in members if m.is_port}


def defines(values: dict[str, int]) -> tuple[str, str]:
    """The same macros for SystemVerilog and for C++."""
    return (
        "".join(f"`define {name} {value}\n" for name, value in values.items()),
        "".join(f"#define {name} {value}\n" for name, value in values.items()),
    )


def wires(params: HwParams) -> str:
    """Declarations of a controller's ports, the controller, the array behind its macro port, and the taps' record.

    The record is the taps' words, `valid` lowest, the stages in order above it.
    """
    ports = port_widths(params)
    macro = [name.removeprefix("macro__") for name in ports if name.startswith("macro__")]
    taps = ["taps__valid", *(f"taps__{name}" for name in tap_layouts(params))]
    return "\n".join(
        [
            "logic rst;",
            *(f"logic [{bits - 1}:0] {name};" for name, bits in ports.items()),
            "controller controller(.*);",
            f"array_twin array(.clk, .rst, {', '.join(f'.port__{name}(macro__{name})' for name in macro)});",
            'import "DPI-C" function void host_taps(input chandle it, input bit [`TAPS_BITS-1:0] taps);',
            "function void see_taps(input chandle host);",
            f"    host_taps(host, {{{', '.join(reversed(taps))}}});",
            "endfunction",
            "",
        ]
    )
