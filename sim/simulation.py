"""A block in a running simulator, fed with cases from the outside."""

import fcntl
import json
import logging
import socket
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from hw.emit import to_systemverilog
from sim.payloads import pack, unpack
from sim.runner import run_bench
from spec.params import HwParams

BUILD = Path(__file__).parents[1] / "build" / "sim"

NO_WAIT = (0,)
PATIENCE_CYCLES = 2000
"""Cycles without a transfer after which a case that should go on is given up."""
LINGER_CYCLES = 20
"""Cycles after the last expected transfer in which one too many would be seen."""
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Event:
    """Outputs without ready: `values` pins are recorded in each cycle in which all pins of `when` are 1."""

    when: tuple[str, ...]
    values: tuple[str, ...] = ()


@dataclass
class Case:
    """What goes into a block: payload values per input stream, pins that stay constant, and steps before the streams.

    setup: ("send", stream, payloads), ("pulse", pin, value) and ("wait", pin, value) in order.
    after: {input: {output: n}}: item k of the input waits until each of the outputs has sent (k + 1) * n items.
    gaps, stalls: idle cycles before each item of an input, and before each item of an output is taken, repeating.
    """

    inputs: dict[str, list]
    config: dict[str, int] = field(default_factory=dict)
    setup: list[tuple[str, str, Any]] = field(default_factory=list)
    after: dict[str, dict[str, int]] = field(default_factory=dict)
    gaps: dict[str, Sequence[int]] = field(default_factory=dict)
    stalls: dict[str, Sequence[int]] = field(default_factory=dict)


@dataclass
class Outcome:
    """What came out: payload values per output stream or event, cycles of all transfers, levels at the end."""

    error: str
    outputs: dict[str, list]
    cycles: dict[str, list[int]]
    levels: dict[str, int]


class SimulationError(RuntimeError):
    """The simulator could not be built or ended by itself."""


class Simulation:
    """A component in a simulator process, from `with` to its end; the bench is sim/tb_block.py.

    The build stays in build/sim, one folder per name, parameters and simulator.  Raises SimulationError.
    """

    def __init__(
        self, component: wiring.Component, name: str, simulator: str, events: dict[str, Event] | None = None
    ):
        params: HwParams = component.params  # type: ignore[attr-defined]  # every component of hw has them
        self.name, self.simulator, self.events = name, simulator, events or {}
        self.folder = BUILD / f"{name}-{params.hash32:08x}-{simulator}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.source = to_systemverilog(component, name, self.folder / f"{name}.sv")
        self._members(component)
        self._failure = ""
        self._lock = open(self.folder / "lock", "w")
        self._listener = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._log = logging.FileHandler(self.folder / "simulation.log", mode="w", delay=True)
        self._log.addFilter(lambda record: record.thread == self._thread.ident)

    def _members(self, component: wiring.Component) -> None:
        """Sort the ports: streams in and out with their payload shapes, other pins in and out with theirs."""
        leaves = {path: member for path, member, _ in component.signature.flatten(component)}
        self._shapes = {"__".join(path): member.shape for path, member in leaves.items()}
        streams = {path[:-1] for path in leaves if path[-1] == "payload"}
        self.sources: dict[str, Any] = {}
        self.sinks: dict[str, Any] = {}
        self.pins: dict[str, Any] = {}
        self.levels: dict[str, Any] = {}
        for path, member in leaves.items():
            is_in = member.flow is wiring.In
            if path[:-1] not in streams:
                (self.pins if is_in else self.levels)["__".join(path)] = member.shape
            elif path[-1] == "payload":
                (self.sources if is_in else self.sinks)["__".join(path[:-1])] = member.shape

    def __enter__(self) -> "Simulation":
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # Not in the build folder: a socket's path has at most some hundred characters.
        self._scratch = tempfile.TemporaryDirectory(prefix="block")
        self._address = str(Path(self._scratch.name) / "link")
        self._listener.bind(self._address)
        self._listener.listen()
        self._listener.settimeout(POLL_SECONDS)
        self._thread.start()
        self._link = self._accept()
        self._lines = self._link.makefile("rw")
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        return self

    def __exit__(self, *exc: object) -> None:
        self._lines.close()
        self._link.close()
        self._thread.join()
        self._close()

    def _close(self) -> None:
        self._listener.close()
        self._lock.close()
        self._scratch.cleanup()

    def _accept(self) -> socket.socket:
        while True:
            try:
                return self._listener.accept()[0]
            except TimeoutError:
                if not self._thread.is_alive():
                    self._close()
                    raise SimulationError(f"{self.name} on {self.simulator}: {self._failure}") from None

    def _serve(self) -> None:
        """Build, then run the bench until the link closes; in a thread of its own."""
        logger = logging.getLogger("cocotb")
        logger.addHandler(self._log)
        try:
            results = run_bench(
                self.simulator, self.name, [self.source], "sim.tb_block", self.folder,
                alone=False,  # our lock is held until it is built
                extra_env={"BLOCK_SOCKET": self._address},
            )  # fmt: skip
            results.unlink()
        except (Exception, SystemExit) as error:  # cocotb-test ends with SystemExit where a tool fails
            self._failure = f"{error}; see {self._log.baseFilename}"
        finally:
            logger.removeHandler(self._log)
            self._log.close()

    def play(self, case: Case, expected: dict[str, int], levels: Sequence[str] = ()) -> Outcome:
        """Run one case from reset.  expected: items of each output stream; one more than that ends the case.

        Raises SimulationError when the simulator dies, ValueError when a value does not fit its layout.
        """
        result = self._ask(self._message(case, expected, levels))
        outputs = result["outputs"]
        for name, shape in self.sinks.items():
            outputs[name] = [unpack(shape, item) for item in outputs[name]]
        for name, event in self.events.items():
            shapes = [self._shapes[pin] for pin in event.values]
            outputs[name] = [
                [unpack(s, v) for s, v in zip(shapes, item, strict=True)] for item in outputs[name]
            ]
        result["levels"] = {
            name: unpack(self.levels[name], value) for name, value in result["levels"].items()
        }
        return Outcome(**result)

    def _ask(self, message: dict) -> dict:
        try:
            self._lines.write(json.dumps(message) + "\n")
            self._lines.flush()
            return json.loads(self._lines.readline())
        except (OSError, json.JSONDecodeError):
            self._thread.join()
            raise SimulationError(f"{self.name} on {self.simulator}: {self._failure}") from None

    def _message(self, case: Case, expected: dict[str, int], levels: Sequence[str]) -> dict:
        sources = {
            name: {
                "items": [pack(shape, item) for item in case.inputs.get(name, [])],
                "gaps": list(case.gaps.get(name, NO_WAIT)),
                "after": case.after.get(name, {}),
            }
            for name, shape in self.sources.items()
        }
        return {
            "config": {pin: pack(shape, case.config.get(pin, 0)) for pin, shape in self.pins.items()},
            "setup": [
                (action, name, [pack(self.sources[name], v) for v in value] if action == "send" else value)
                for action, name, value in case.setup
            ],
            "sources": sources,
            "sinks": {
                name: {"stalls": list(case.stalls.get(name, NO_WAIT)), "expected": expected.get(name, 0)}
                for name in self.sinks
            },
            "events": {name: {"when": e.when, "values": e.values} for name, e in self.events.items()},
            "levels": list(levels),
            "linger": LINGER_CYCLES,
            "patience": PATIENCE_CYCLES,
        }
