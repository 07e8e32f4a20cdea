"""What the tools say of a build, as one record."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from fpga.families import Family
from spec.errors import InputError

_MEMORY = re.compile(r"^mapping memory (\S+) via \$__(\w+?)_$", re.MULTILINE)
_LOST_MEMORY = re.compile(r"^using FF mapping for memory (\S+)$", re.MULTILINE)
FLIP_FLOPS = "flip-flops"


@dataclass(frozen=True)
class Use:
    used: int
    available: int


@dataclass(frozen=True)
class Timing:
    """The slowest clock: what it reaches, what is asked of it, and the path that limits it."""

    fmax_MHz: float
    needed_MHz: float
    path_from: str
    path_to: str

    @property
    def met(self) -> bool:
        return self.fmax_MHz >= self.needed_MHz


@dataclass(frozen=True)
class Report:
    """One build.  inputs: digest of what decided it; memories: the cell that each memory became; seconds: of each step."""

    board: str
    part: str
    instance: str
    params_hash: str
    inputs: str
    seed: int
    resources: dict[str, Use]
    timing: Timing
    memories: dict[str, str]
    seconds: dict[str, float]
    versions: dict[str, str]
    bitstream: str

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Report":
        """A saved report.  Raises InputError."""
        try:
            values = json.loads(path.read_text())
            values["resources"] = {name: Use(**use) for name, use in values["resources"].items()}
            return cls(**{**values, "timing": Timing(**values["timing"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"is no report of a build: {error}", source=str(path)) from None

    def rows(self) -> list[tuple[str, str, str]]:
        """Lines for a table: name, used or reached, available or needed."""
        lines = [(name, str(use.used), str(use.available)) for name, use in self.resources.items()]
        return [*lines, ("Fmax, MHz", f"{self.timing.fmax_MHz:.1f}", f"{self.timing.needed_MHz:.1f}")]


_PACKED = re.compile(r"^Info: +(\d+) LCs used as (LUT4 only|LUT4 and DFF|DFF only)$", re.MULTILINE)


def parse_resources(nextpnr: dict, log: str, parts: Family) -> dict[str, Use]:
    """Cells by `Family.cells` from nextpnr's report (the JSON of --report).  Raises KeyError.

    Where a logic cell holds a LUT, a flip-flop or both, the log has how many hold what.
    """
    use = nextpnr["utilization"]
    found = {name: Use(use[cell]["used"], use[cell]["available"]) for name, cell in parts.cells.items()}
    packed = {what: int(number) for number, what in _PACKED.findall(log)}
    if packed:
        there = found["logic cell"].available
        both = packed["LUT4 and DFF"]
        found = {
            "LUT": Use(packed["LUT4 only"] + both, there),
            "FF": Use(packed["DFF only"] + both, there),
        } | found
    return found


def parse_timing(nextpnr: dict) -> Timing:
    """The clock with the least slack, from nextpnr's report.  Raises KeyError, ValueError without a clock."""
    clocks = nextpnr["fmax"]
    name = min(clocks, key=lambda clock: clocks[clock]["achieved"] / clocks[clock]["constraint"])
    ends = ["", ""]
    for path in nextpnr["critical_paths"]:
        if path["from"].endswith(name) and path["to"].endswith(name):
            ends = [path["path"][0]["from"]["cell"], path["path"][-1]["to"]["cell"]]
    return Timing(round(clocks[name]["achieved"], 2), round(clocks[name]["constraint"], 2), *ends)


def parse_memories(yosys_log: str) -> dict[str, str]:
    """The cell of each memory from Yosys's log."""
    found = {memory: cell for memory, cell in _MEMORY.findall(yosys_log)}
    return found | dict.fromkeys(_LOST_MEMORY.findall(yosys_log), FLIP_FLOPS)


def kept_path(board: str) -> Path:
    """File of the report that later builds are compared with; docs/fpga.md shows it."""
    return Path(__file__).parent / "reports" / f"{board}.json"


TOLERANCE = 0.05
"""Share by which a build may be larger or slower than the kept one."""


def regressions(kept: Report, built: Report) -> list[str]:
    """What got worse than the kept report by more than TOLERANCE, one line each."""
    if built.params_hash != kept.params_hash:
        return [f"{built.board}: the kept report is of other parameters (instance {kept.instance})"]
    worse = [
        f"{built.board}: {name} grew from {kept.resources[name].used} to {use.used}"
        for name, use in built.resources.items()
        if use.used > kept.resources[name].used * (1 + TOLERANCE)
    ]
    if built.timing.fmax_MHz < kept.timing.fmax_MHz * (1 - TOLERANCE):
        worse.append(f"{built.board}: Fmax fell from {kept.timing.fmax_MHz} to {built.timing.fmax_MHz} MHz")
    return worse
