"""What the bench's SystemVerilog and C++ take from the parameters: sizes as macros, and the wires of the controller."""

from collections.abc import Iterable

from amaranth.hdl import Shape
from amaranth.lib import wiring

from hw.controller import controller_ports
from hw.interfaces import MacroPort
from spec.choices import ENCODINGS
from spec.grid import Tile, tiles
from spec.params import HwParams
from spec.stages import stage_names

MACRO = {"INTEGRATE": "integrate_cycles", "ENCODING": "encoding", "PLANE": "plane",
         "TRANSPOSED": "transposed", "KIND": "readout_kind", "READING": "reading", "WORD": "dac_word", "GROUP": "group"}  # fmt: skip
"""Ports of an array whose width is a macro; those that are not built in have none."""
OWN = ("COLUMNS", "CHANNELS", "GROUPS", "WORD_BITS", "GROUP_BITS", "ROW_BITS", "COLUMN_BITS")
"""Sizes that each macro of a grid has of its own: parameters of the array's module."""


def sizes(params: HwParams) -> dict[str, int]:
    """Macros of sizes.svh and sizes.h, by name; those of an array are of the largest of the grid, which is the first."""
    ports = port_widths(controller_ports(params).items())
    return {
        **macro_sizes(tiles(params)[0].params),
        "STROBE": stage_names(params).index("strobe"),
        **{f"{name.upper()}_BITS": ports[f"{name}__payload"] for name in ("request", "samples", "counts")},
    }


def macro_sizes(params: HwParams) -> dict[str, int]:
    """Sizes of one macro."""
    p, ports = params, port_widths(MacroPort(params).members.items())
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
        **{f"{name}_BITS": ports[port] for name, port in MACRO.items() if port in ports},
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
            *(_array(number, tile) for number, tile in enumerate(tiles(params))),
            *_taps(params, ports),
            "",
        ]
    )


def _array(number: int, tile: Tile) -> str:
    own = macro_sizes(tile.params)
    given = ", ".join([f".PLACE({number})", *(f".{name}({own[name]})" for name in OWN)])
    pins = ", ".join(
        f".port__{pin}({tile.name}__{pin})" for pin in port_widths(MacroPort(tile.params).members.items())
    )
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
