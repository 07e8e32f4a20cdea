"""A network on an array: where every method starts, made once and put back for each of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, cast

import numpy as np

from model.controller.between_layers import Between
from model.controller.counters import TIMES
from model.controller.teacher_delta import Teacher
from model.cycles import is_modelled
from model.data import Dataset, Split
from model.record import RunRecord, Tally
from model.system import GoldenController
from model.system import run as golden
from model.training.analog_upper import erase_and_transfer
from model.training.hybrid import UPPER_TRANSFER, HybridJob, code_step, set_ranges
from model.training.offline import OfflineNet
from model.training.prepare import on_split, prepare
from model.training.teacher import teacher_of
from spec.choices import CHANCE_RULES
from spec.registers import Mode
from spec.run_file import RunSpec

Phases = dict[str, dict[str, int]]
"""Counters of each phase in which the array is used."""
Write = Callable[[GoldenController], dict[str, int]]
"""Fills the erased first layer; returns what is counted beside the controller's counters."""


@dataclass
class Outcome:
    """One method on one array."""

    accuracy: float
    """On the trial's split."""
    phases: Phases = field(default_factory=dict)
    worst_cell: int = 0
    """Pulses of the cell of the first layer that got most."""
    memory_words: int = 0
    """Weights of the update memory that were read and written, every column of every driven row of an updating sample."""


class Start(NamedTuple):
    """A controller after its array was written and its ranges were found."""

    arrays: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
    """States, event counts and pulses of the cells of each array."""
    registers: dict[str, int]
    between: Between | None
    weights: np.ndarray
    calibration: np.ndarray
    phases: Phases

    @property
    def pulses(self) -> np.ndarray:
        """Of each cell of the first layer, uint32[rows, columns, 2]."""
        return self.arrays[0][2]


class Trial:
    """One network, one array, one order of samples.

    run: whose hardware, device and sizes apply; net: float weights; seed: draws devices and order; split: what
    accuracy is measured on, the run's test samples if none is given; timed: count the controller's cycles, where
    they are modelled, which takes several times as long.  Raises `InputError`.
    """

    def __init__(
        self,
        run: RunSpec,
        data: Dataset,
        net: OfflineNet,
        seed: int,
        split: Split | None = None,
        *,
        timed: bool = False,
    ):
        self.run, self.data, self.net, self.seed = run, data, net, seed
        job = prepare(run, data, net, seed)
        self.job: HybridJob = job if split is None else on_split(job, split)
        params = self.job.params
        timed = timed and is_modelled(params) and not net.between
        self.ctl = GoldenController(params, self.job.image, timed=timed)
        self._starts: dict[object, Start] = {}
        self._kept: tuple[tuple, Teacher | None] | None = None  # a teacher, and what it is of

    def job_with(self, rule: str, threshold: int, margin: float) -> HybridJob:
        """The job with another update rule, whose epoch follows the labels."""
        drawn = {"UPDATE_SEED": self.seed} if rule in CHANCE_RULES else {}
        return replace(
            self.job, rule=rule, threshold=threshold, margin_127=margin, registers=drawn, hidden_weights=None
        )

    def taught_job(self, rule: str, threshold: int, dead: int = 0) -> HybridJob:
        """The job with another update rule, whose epoch follows the network's hidden codes; dead: as of `HybridJob`."""
        job = self.job_with(rule, threshold, 0.0)
        return replace(job, hidden_weights=self.net.hidden, dead=dead)

    def start(self, key: object, write: Write) -> Start:
        """The controller as `write` left it, made the first time and put back later; one method works on it at a time.

        key: names what `write` does.
        """
        if key not in self._starts:
            self._starts[key] = self._written(write)
        start = self._starts[key]
        for array, (states, events, pulses) in zip(self.ctl.arrays, start.arrays, strict=True):
            array.load(states, pulses)  # a worn cell stays worn
            array.reset(events)
        self.ctl.registers = dict(start.registers)
        golden(self.ctl.load_between(start.between))
        golden(self.ctl.load_weights(start.weights))
        golden(self.ctl.restore_calibration(start.calibration))
        golden(self.ctl.clear_memory())
        return start._replace(phases={name: dict(counters) for name, counters in start.phases.items()})

    def _written(self, write: Write) -> Start:
        ctl = self.ctl
        for array in ctl.arrays:
            array.reset()
        ctl.registers = {}
        golden(ctl.configure(WRITE=0))
        golden(ctl.erase())
        golden(ctl.clear_counters())
        further = write(ctl)
        phases = {"transfer": golden(ctl.counters()) | further} | find_ranges(ctl, self.job)
        arrays = [(array.conductances(), array.events, array.pulses()) for array in ctl.arrays]
        found = golden(ctl.calibration())
        weights = ctl.state.weights.copy()
        return Start(arrays, dict(ctl.registers), ctl.between, weights, found, phases)

    def transferred(self) -> Start:
        """After the open-loop transfer."""
        return self.start("transfer", lambda ctl: open_loop(ctl, self.job.counts))

    def accuracy(self) -> float:
        """Of the array as it is, on the trial's split."""
        record = golden(self.ctl.run(Mode.INFER, self.job.test_pixels, self.job.test_labels))
        return record.accuracy(self.job.test_labels)

    def train(
        self,
        start: Start,
        job: HybridJob,
        mode: Mode = Mode.TRAIN,
        first_row: int = 0,
    ) -> Outcome:
        """One online epoch from `start` with the samples, rule and thresholds of `job`, and what it led to.

        Pulses of rows before `first_row` are not counted: the caller sees to it that they do nothing.  A job with a
        teacher has the trial's own first samples.
        """
        ctl, step = self.ctl, code_step(self.ctl.registers)
        golden(ctl.configure(**job.settings(job.upper(step)), **job.upper_settings(step)))
        teacher = self._teacher(job)
        golden(ctl.clear_counters())
        record = golden(ctl.run(mode, job.train_pixels, job.train_labels, tally=True, teacher=teacher))
        counters, tally = golden(ctl.counters()), cast(Tally, record.tally)
        named = {"STROBES": tally.strobes, "PULSES_UP": tally.up, "PULSES_DOWN": tally.down}
        counters |= {name: int(of_rows[first_row:].sum()) for name, of_rows in named.items()}
        if first_row:  # the times are of all rows
            counters = {name: count for name, count in counters.items() if name not in TIMES}
        words = 0 if job.rule in CHANCE_RULES else memory_words(job, record)
        pulses = ctl.array.pulses()
        worst = max(int(start.pulses[:first_row].max(initial=0)), int(pulses[first_row:].max()))
        return Outcome(self.accuracy(), start.phases | {"online": counters}, worst, words)

    def _teacher(self, job: HybridJob) -> Teacher | None:
        """The job's teacher, kept for further settings on the same array."""
        if job.hidden_weights is None:
            return None
        step, upper_lsb = code_step(self.ctl.registers), self.ctl.registers.get("UPPER_LSB")
        key = id(job.hidden_weights), step, upper_lsb, len(job.train_pixels)
        if self._kept is None or self._kept[0] != key:
            self._kept = key, teacher_of(job, step, self.ctl.registers, outputs=True)
        return self._kept[1]


def open_loop(ctl: GoldenController, counts: np.ndarray) -> dict[str, int]:
    """The transfer of the hardware, which counts all there is; counts: int[rows, columns]."""
    golden(ctl.transfer(counts))
    return {}


def memory_words(job: HybridJob, record: RunRecord) -> int:
    """Weights of the update memory that the updating samples go through: driven rows, the bias row's too, times columns."""
    driven = np.count_nonzero(job.train_pixels[record.updates.astype(bool)], axis=1) + 1
    return int(driven.sum()) * job.params.columns


def find_ranges(ctl: GoldenController, job: HybridJob) -> Phases:
    """Find the ranges on the array as it is; the counters of that and of an analog upper layer's transfer."""
    phases: Phases = {}
    reads: Counter[str] = Counter()

    async def take() -> dict[str, int]:
        counters = await ctl.counters()
        await ctl.clear_counters()
        return counters

    async def fill(ctl: GoldenController, counts: np.ndarray) -> None:
        reads.update(await take())
        await erase_and_transfer(ctl, counts)
        phases[UPPER_TRANSFER] = await take()

    async def find() -> None:
        await ctl.clear_counters()
        await set_ranges(ctl, job, fill)
        reads.update(await take())

    golden(find())
    return phases | {"ranges": dict(reads)}
