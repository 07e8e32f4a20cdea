"""The golden system: the controller and its array behind the coroutines of the host driver (`sim/host.py`).

So one job drives model and hardware.  What a sample does is in `model/sample.py`, what a run leaves in
`model/trace.py`.
"""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import numpy as np

from model.controller.between_layers import Between
from model.controller.calibration import begin, finish
from model.controller.counters import COUNTERS, TIMES, counters, upper_counters
from model.controller.pulse_scheduler import pulse_scheduler
from model.controller.settings import BIT_SERIAL, Settings, settings, verify_settings
from model.controller.teacher_delta import Teacher, check_teacher
from model.cycles import (
    Gathered,
    Work,
    ideal_array,
    predict,
    transfer_work,
    verify_work,
)
from model.device.array import GoldenArray
from model.device.effects.age import Wait
from model.device.verify import Tuner, verify_array
from model.layer import commit, new_state
from model.record import RunRecord, Strobes, Tally
from model.sample import run_samples
from model.trace import (
    Log,
    chunk_of,
    collect,
    collect_upper,
    copied,
    new_trace,
    parts,
    row_strobes,
    rows_log,
    strobe_rows,
)
from model.upper import UpperArray
from spec.device_image import DeviceImage
from spec.errors import InputError
from spec.params import HwParams
from spec.registers import BY_NAME, Mode, reset_value
from spec.stages import stage_names

NONE = np.zeros(0, np.int32)

Watch = Callable[[dict[str, list[np.ndarray]]], None]
"""Called with a trace of some samples."""


class GoldenController:
    """The controller and its array, with the coroutines of the host driver.

    image: the compiled device.  Register values are given by name (`configure`); counters read like the hardware's.
    timed: there are CYCLES, ELAPSED and STRETCH too, of the fastest array and a host that is never late
    (`model.cycles`, whose `is_modelled` must hold).
    """

    def __init__(self, params: HwParams, image: DeviceImage, *, timed: bool = False):
        self.params, self.timed = params, timed
        self.array = GoldenArray(params, image)
        self.state = new_state(params)
        self.upper = UpperArray(params, image) if params.analog_upper else None
        """The second array, where the upper layer is analog."""
        self.between: Between | None = None
        """What is between the columns and a digital upper layer; only the golden model has such layers."""
        self.registers: dict[str, int] = {}
        self._counters = self._zeros()
        self.given_up = {"capped": 0, "unresponsive": 0}
        """Why cells or pairs were given up, since the beginning."""
        self.tally: Tally | None = None
        """Of a run that tallies, up to date whenever `run` reports progress."""

    @property
    def settings(self) -> Settings:
        return settings(self.params, self.registers)

    async def configure(self, **registers: int) -> None:
        """Set registers by name; KeyError for an unknown one."""
        for name, value in registers.items():
            BY_NAME[name]
            self.registers[name] = int(value)

    async def load_between(self, between: Between | None) -> None:
        """Layers between the columns and the upper layer, whose weights are to be loaded next.

        Raises `InputError` where cycles are counted: those of such layers are not modelled.
        """
        if self.timed and between is not None:
            raise InputError("the cycles of further hidden layers are not modelled", key="offline.hidden")
        self.between = between
        units = self.params.columns if between is None else int(between.units[-1])
        self.state = self.state._replace(
            weights=np.zeros((units + 1, self.params.classes), np.int32, order="F")
        )

    async def load_weights(self, weights: np.ndarray) -> None:
        """Upper-layer weights, int[units below + 1, classes], the bias unit last."""
        self.state.weights[:] = weights

    async def load_targets(self, targets: np.ndarray) -> None:
        """Sums of |code| that the channels should have, int[converters], of a run that measures gains."""
        self.state.channels.target[:] = targets

    async def calibration(self) -> np.ndarray:
        """What each channel is corrected by, int64[converters, 2]: offset in codes, gain in 1/4096."""
        return np.stack([self.state.channels.offset, self.state.channels.gain], axis=1).astype(np.int64)

    @property
    def _chosen(self) -> GoldenArray:
        """The array that register LAYER means."""
        return self.upper.array if self.upper and self.registers.get("LAYER", 0) else self.array

    @property
    def arrays(self) -> list[GoldenArray]:
        """That of the first layer, and of an analog upper one."""
        return [self.array, *([self.upper.array] if self.upper else [])]

    async def restore_calibration(self, found: np.ndarray) -> None:
        """Correct by what `calibration` returned before."""
        self.state.channels.offset[:], self.state.channels.gain[:] = np.asarray(found).T

    async def erase(self) -> None:
        self._chosen.erase()

    async def clear_memory(self) -> None:
        self.state.memory[:] = 0
        if self.upper:
            self.upper.state.memory[:] = 0

    async def counters(self) -> dict[str, int]:
        return dict(self._counters)

    async def clear_counters(self) -> None:
        self._counters = self._zeros()

    def _zeros(self) -> dict[str, int]:
        return dict.fromkeys((*COUNTERS, *(TIMES if self.timed else ())), 0)

    def _time(self, mode: Mode, work: Work) -> None:
        """Count the cycles of a run."""
        array = ideal_array(self.params, self.registers, work)
        for name, cycles in predict(self.params, mode, self.registers, work, array).items():
            self._counters[name] += cycles

    async def conductances(self) -> np.ndarray:
        """States of all pairs, uint16[rows, columns, 2], of the array that register LAYER means."""
        return self._chosen.conductances()

    async def transfer(
        self, counts: np.ndarray, *, trace: bool = False, progress: Callable[[int], None] | None = None
    ) -> RunRecord:
        """Open-loop pulses, int[rows, columns]: positive on G+, negative on G-; registers WRITE (polarity), LAYER (array).

        The record has the strobes if `trace`, else none: of a large array they take hundreds of megabytes.
        """
        depress = self.registers.get("WRITE", reset_value("WRITE")) & 1
        kept, array = [], self._chosen
        columns = array.params.columns
        for row in range(array.params.rows):
            up, down = pulse_scheduler(np.asarray(counts[row]))
            array.strobes(row, up, down, depress)
            strobes = row_strobes(row, up, down, depress)
            if array is self.array:
                self._count(RunRecord(NONE, NONE, strobes), NONE)
            else:
                self._count_upper(strobes)
            if trace:
                kept.append(strobes)
            if progress:
                progress(1)
        array.written(Wait.TRANSFER)
        if self.timed:
            self._time(Mode.TRANSFER, transfer_work(counts))
        strobes = Strobes.join([Strobes.empty(columns), *kept])
        if array is self.array:
            return RunRecord(NONE, NONE, strobes, {"strobe": strobe_rows(strobes)} if trace else {})
        none = Strobes.empty(self.params.columns)
        seen = {"strobe": [], "upper_strobe": strobe_rows(strobes)}
        return RunRecord(NONE, NONE, none, seen if trace else {}, strobes)

    async def verify(
        self,
        targets: np.ndarray,
        way: str,
        *,
        trace: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> RunRecord:
        """Program-verify with the settings of the registers; targets and `way` as in `verify_array`.

        The record has the strobes if `trace`.  Raises `InputError`.
        """
        settings = verify_settings(self.registers)
        self.array.settle()
        before = self.array.pulses() if self.timed else None
        cost, strobes = verify_array(self.array, targets, way, settings, logged=trace)
        self._counters["STROBES"] += cost.pulses
        self._counters["PULSES_UP"] += cost.pulses_up
        self._counters["PULSES_DOWN"] += cost.pulses - cost.pulses_up
        self._counters["VERIFY_READS"] += cost.reads
        self._give_up(cost.capped, cost.unresponsive)
        self.array.written(Wait.TRANSFER)
        if before is not None:
            work = verify_work(self.params, way, self.array.pulses() - before)
            self._time(Mode.VERIFY, work)
        if progress:
            progress(self.params.rows)
        return RunRecord(NONE, NONE, strobes, {"strobe": strobe_rows(strobes)} if trace else {})

    async def run(
        self,
        mode: Mode,
        pixels: np.ndarray,
        labels: np.ndarray,
        *,
        trace: bool = False,
        watch: Watch | None = None,
        tally: bool = False,
        teacher: Teacher | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> RunRecord:
        """Infer, train, tune or calibrate on samples in order: pixels uint8[n, inputs], labels int[n].

        The returned record has predictions, updates and strobes, and every stage if `trace`; `watch` gets the stages
        of each chunk of samples, but no strobes, instead.  With `tally` it has what the strobes on the first
        layer add up to instead of them: a run with small thresholds has gigabytes.  teacher: of the samples of a
        training run with register TEACHER on.  Raises `InputError`.
        """
        s, p = settings(self.params, self.registers, mode), self.params
        begin(self.state.channels)
        train = 1 if mode in (Mode.TRAIN, Mode.TUNE) else 0
        check_teacher(teacher, bool(train and s.teacher), len(pixels))
        tuner, chunk = (self._tuner(), p.commit_depth) if mode is Mode.TUNE else (None, chunk_of(p))
        labels = np.asarray(labels, np.int64)
        predictions, updates, clipped, planes_clipped = [NONE], [NONE], 0, 0
        planes = p.dac_bits if s.encoding == BIT_SERIAL else 0
        upper = self.upper.prepare(self.registers, chunk) if self.upper else None
        strobes: list[Strobes] | Tally = Tally(p.rows) if tally else [Strobes.empty(p.columns)]
        self.tally = strobes if isinstance(strobes, Tally) else None
        upper_strobes = [Strobes.empty(p.classes)]
        tuned: list[Strobes] = []

        def new_traces() -> dict[str, list[np.ndarray]]:
            return {name: [] for name in stage_names(p)} if trace or watch else {}

        traces = new_traces()
        gathered = Gathered(p) if self.timed else None
        whole = bool(trace or watch or gathered)
        entries, log = (
            rows_log(chunk * p.rows, p.columns),
            rows_log((chunk + p.commit_depth) * p.rows, p.columns),
        )
        for array in self.arrays:
            array.settle()
        refresh = self.array.refresh_samples
        cut = self._tune_parts if tuner else parts
        for part_of in cut(len(pixels), chunk, refresh):
            first = part_of.start
            if refresh and first and first % refresh == 0:
                for array in self.arrays:
                    array.settle()
            if tuner:  # what is tuned is no longer in the queue
                commit_of = self._tune(tuner, first, gathered)
                strobes.append(commit_of)
                tuned += [commit_of, *[Strobes.empty(p.columns)] * (len(part_of) - 1)]
                if tally:
                    tuned.clear()
            part = np.ascontiguousarray(pixels[first : part_of.stop], np.uint8)
            t = new_trace(p, len(part), planes, whole=whole)
            events = self.array.events
            run_of = (s, self.state, self.array.state, part, labels[first:], train, first, events)
            taught = teacher and teacher.of(slice(first, part_of.stop))
            entered, logged, *at_limit = run_samples(*run_of, t, entries, log, upper, self.between, taught)
            self.array.reset(events)
            if gathered:
                of_entries = np.repeat(np.arange(len(part)), t.entries), entries.row[:entered]
                gathered.add(t.codes, t.hidden, t.verdict[:, 0], t.delta, *of_entries)
            strobes.append(copied(log, logged))
            predictions.append(t.verdict[:, 3])
            updates.append(t.verdict[:, 0])
            clipped += at_limit[0]
            planes_clipped += at_limit[1]
            if self.upper and upper:
                upper_strobes.append(self.upper.finish(upper))
            if trace or watch:
                trains_first = bool(upper is None or upper.trains_first)
                collect(traces, t, copied(entries, entered), first_trained=trains_first)
                if upper:
                    collect_upper(traces, upper_strobes[-1], upper.rows[: len(part)])
            if watch:
                watch(traces)
                traces = new_traces()
            if progress:
                progress(len(part))
        if tuner:
            for n in range(len(pixels), len(pixels) + p.commit_depth):
                tuned.append(self._tune(tuner, n, gathered))
                strobes.append(tuned[-1])
        strobes.append(self._flush(len(pixels), log))
        if train:
            for array in self.arrays:
                array.written(Wait.EPOCH)
        kept = Strobes.empty(p.columns) if isinstance(strobes, Tally) else Strobes.join(strobes)
        record = RunRecord(np.concatenate(predictions), np.concatenate(updates), kept, traces)
        if trace:
            traces["strobe"] = strobe_rows(record.strobes)
        if trace and tuner:  # strobes of each sample's commit, which comes D samples later
            traces["tuned"] = [np.array(len(commit.row)) for commit in tuned[p.commit_depth :]]
        if upper:
            record.upper = Strobes.join(upper_strobes)
            self._count_upper(record.upper, *upper.tally[1:].tolist())
        if s.measure:
            finish(self.state.channels, s.measure, s.offset_shift, s.adc_bits)
        counted = strobes if isinstance(strobes, Tally) else kept
        self._count(record, labels[: len(pixels)], clipped, planes or 1, planes_clipped, counted)
        if isinstance(strobes, Tally):
            record.tally = strobes
        if gathered:
            self._time(mode, gathered.work())
        if tuner:
            self._counters["VERIFY_READS"] += tuner.reads
            self._give_up(tuner.capped, tuner.unresponsive)
        return record

    def _give_up(self, capped: int, unresponsive: int) -> None:
        self.given_up["capped"] += capped
        self.given_up["unresponsive"] += unresponsive
        self._counters["GIVEN_UP"] += capped + unresponsive

    def _tuner(self) -> Tuner:
        up, down = (self.registers.get(name, reset_value(name)) for name in ("TUNE_UP", "TUNE_DOWN"))
        return Tuner(self.array, verify_settings(self.registers), (up, down))

    def _tune(self, tuner: Tuner, sample: int, gathered: Gathered | None) -> Strobes:
        """The commit before this sample, by tuning; its slot of the queue is empty then."""
        state, slot = self.state, sample % self.params.commit_depth
        count = state.queue_count[slot]
        row, up, down = (queue[slot, :count] for queue in (state.queue_row, state.queue_up, state.queue_down))
        state.queue_count[slot] = 0
        strobes = tuner.commit(row, up, down)
        if gathered:
            gathered.add_tuned(row, up | down, strobes.row, (strobes.up | strobes.down).argmax(axis=1))
        return strobes

    def _tune_parts(self, samples: int, chunk: int, refresh: int) -> Iterator[range]:
        """The pieces of a tune run: a commit comes before each, and there is none within it."""
        for part_of in parts(samples, chunk, refresh):
            first = part_of.start
            for n in part_of[1:]:
                if self.state.queue_count[n % self.params.commit_depth]:
                    yield range(first, n)
                    first = n
            yield range(first, part_of.stop)

    def _flush(self, samples: int, log: Log) -> Strobes:
        """Commit what the last D samples left, in order."""
        events, logged = self.array.events, 0
        of_array = self.state, self.array.state, self.array.macros[0].state
        for n in range(samples, samples + self.params.commit_depth):
            slot = n % self.params.commit_depth
            logged = commit(*of_array, slot, events, log, logged)
        self.array.reset(events)
        return copied(log, logged)

    def _count(
        self,
        record: RunRecord,
        labels: np.ndarray,
        clipped: int = 0,
        planes: int = 1,
        planes_clipped: int = 0,
        strobes: Strobes | Tally | None = None,
    ) -> None:
        counted = record.strobes if strobes is None else strobes
        added = counters(record.predictions, labels, record.updates, clipped, counted, planes, planes_clipped)
        for name, amount in added.items():
            self._counters[name] += amount

    def _count_upper(self, strobes: Strobes, *reads: int) -> None:
        for name, amount in upper_counters(strobes, *reads).items():
            self._counters[name] += amount


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine of golden calls to its end: nothing in it ever waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("the golden model waited for something")
