"""What the bench's SystemVerilog and C++ take from the parameters: sizes as macros, and the wires of the controller."""

from collections.abc import Iterable

from amaranth.hdl import Shape
from amaranth.lib import wiring

from hw.controller import controller_ports, macros
from hw.interfaces import MacroPort
from spec.choices import ENCODINGS
from spec.grid import Tile
from spec.params import HwParams
from spec.stages import stage_names

WIDTHS = {"INTEGRATE": "integrate_cycles", "ENCODING": "encoding", "PLANE": "plane", "KIND": "readout_kind",
          "READING": "reading", "WORD": "dac_word", "GROUP": "group"}  # fmt: skip
"""Pins of an array whose width is one of its sizes."""
INPUTS = ("encoding", "plane", "readout_kind", "transposed", "first_row", "raised", "lowered")
"""Pins that not every macro has: 0 where they are not built in."""


def sizes(params: HwParams) -> dict[str, int]:
    """Macros of sizes.svh and sizes.h, by name: sizes of the first array, and what is enough for each of them."""
    ports = port_widths(controller_ports(params).items())
    arrays = [tile.params for tile in macros(params)]
    return {
        **macro_sizes(arrays[0]),
        "BIT_SERIAL": ENCODINGS.index("bit_serial"),
        "MOST_ROWS": max(p.rows for p in arrays),
        "MOST_COLUMNS": max(p.columns for p in arrays),
        "MOST_SUMS": max(max(p.columns, p.adc_channels) for p in arrays),
        "MOST_CODES_BITS": max(p.row_words * p.dac_load_lanes * p.dac_bits for p in arrays),
        **{f"{name.upper()}_BITS": ports[f"{name}__payload"] for name in ("request", "samples", "counts")},
    }


def macro_sizes(params: HwParams) -> dict[str, int]:
    """Sizes of one macro: parameters of the array's module."""
    p, ports = params, port_widths(MacroPort(params).members.items())
    return {
        "COLUMNS": p.columns,
        "LANES": p.dac_load_lanes,
        "WORDS": p.row_words,
        "DAC_BITS": p.dac_bits,
        "CHANNELS": p.adc_channels,
        "GROUPS": p.adc_groups,
        "ADC_BITS": p.adc_bits,
        "STATE_BITS": p.state_bits,
        "ROW_BITS": p.row_bits,
        "COLUMN_BITS": p.column_bits,
        **{f"{name}_BITS": ports.get(port, 1) for name, port in WIDTHS.items()},
    }


def port_widths(members: Iterable[tuple[str, wiring.Member]]) -> dict[str, int]:
    """Bits of each port of a component, by its name in the emitted text."""
    flat = wiring.Signature(dict(members)).members.flatten()
    return {"__".join(map(str, path)): Shape.cast(m.shape).width for path, m in flat if m.is_port}


def defines(params: HwParams) -> tuple[str, str]:
    """sizes.svh and sizes.h: the same macros, and for C++ the stages that have a tap."""
    values = sizes(params).items()
    stages = " ".join(f"STAGE({number}, {name})" for number, name in enumerate(stage_names(params)))
    return (
        "".join(f"`define {name} {value}\n" for name, value in values),
        "".join(f"#define {name} {value}\n" for name, value in values) + f"#define STAGES(STAGE) {stages}\n",
    )


def wires(params: HwParams) -> str:
    """Declarations of a controller's ports, the controller, an array behind each of its macro ports, and the taps."""
    ports = port_widths(controller_ports(params).items())
    return "\n".join(
        [
            "logic rst;",
            *(f"logic [{bits - 1}:0] {name};" for name, bits in ports.items()),
            "controller controller(.*);",
            *(_array(number, tile) for number, tile in enumerate(macros(params))),
            *_taps(params, ports),
            "",
        ]
    )


def _array(number: int, tile: Tile) -> str:
    own = {"PLACE": number} | macro_sizes(tile.params)
    given = ", ".join(f".{name}({value})" for name, value in own.items())
    built_in = port_widths(MacroPort(tile.params).members.items())
    wired = {pin: "'0" for pin in INPUTS} | {pin: f"{tile.name}__{pin}" for pin in built_in}
    pins = ", ".join(f".port__{pin}({wire})" for pin, wire in wired.items())
    return f"array_twin #({given}) array_{tile.name}(.clk, .rst, {pins});"


def _taps(params: HwParams, ports: dict[str, int]) -> list[str]:
    """A C function for each tap, called in the cycles in which it is valid."""
    names = stage_names(params)
    return [
        *(
            f'import "DPI-C" function void host_tap_{name}(input chandle it, input bit [{ports[f"taps__{name}"] - 1}:0] word);'
            for name in names
        ),
        "function void see_taps(input chandle host);",
        *(
            f"    if (taps__valid[{number}]) host_tap_{name}(host, taps__{name});"
            for number, name in enumerate(names)
        ),
        "endfunction",
    ]
