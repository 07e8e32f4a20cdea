"""What the tools say of a build, as one record."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from spec.errors import InputError

RESOURCES = {"LUT": "TRELLIS_COMB", "FF": "TRELLIS_FF", "block RAM": "DP16KD", "DSP": "MULT18X18D"}
"""Cells of the part by what they are; the names of nextpnr."""

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
    """One build.  memories: the cell that each memory became; seconds: of each step."""

    board: str
    part: str
    instance: str
    params_hash: str
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


def parse_resources(nextpnr: dict) -> dict[str, Use]:
    """Cells by `RESOURCES` from nextpnr's report (the JSON of --report).  Raises KeyError."""
    use = nextpnr["utilization"]
    return {name: Use(use[cell]["used"], use[cell]["available"]) for name, cell in RESOURCES.items()}


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


def overfull(nextpnr_log: str) -> list[tuple[str, int, int]]:
    """Cells of which there are too few, as (cell, needed, available), from nextpnr's log."""
    lines = re.findall(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", nextpnr_log, re.MULTILINE)
    return [(cell, int(used), int(have)) for cell, used, have in lines if int(used) > int(have)]
