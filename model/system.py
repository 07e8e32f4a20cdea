"""The golden system: the controller's functions and the golden array composed into one committed sample.

`run_samples` is the only composition: `GoldenController` runs it with and without traces, and the experiments
run it for whole epochs.  A sample's step is: commit the pulses of sample n-D, read, decide, update.
`GoldenController` has the coroutines of the host driver (`sim/host.py`), so one job drives model and hardware.
"""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import numpy as np

from model.controller.activation import activation
from model.controller.backprop_delta import backprop_delta
from model.controller.calibration import OFFSETS, Channels, begin, calibration, channels, finish, measure
from model.controller.column_adc import column_adc
from model.controller.counters import COUNTERS, counters
from model.controller.dac_encode import dac_encode
from model.controller.margin_error import margin_error
from model.controller.partial_sum import partial_sum
from model.controller.pulse_scheduler import pulse_scheduler
from model.controller.settings import BIT_SERIAL, Settings, settings, verify_settings
from model.controller.shift_add import shift_add
from model.controller.update_rule import effective_threshold, firing, sample_key, update_rule
from model.controller.upper_layer import upper_layer
from model.device.array import GoldenArray, array_integrate, array_strobe, macro_state
from model.device.verify import Tuner, new_log, no_log, strobes_of, verify_array, verify_logged
from model.jit import kernel
from model.record import RunRecord, Strobes
from spec.device_image import DeviceImage
from spec.params import HwParams
from spec.registers import BY_NAME, Mode, reset_value
from spec.stages import stage_names

CHUNK = 64
"""Samples per call of the kernel: bounds the logs, and is the grain of progress."""


NONE = np.zeros(0, np.int32)


class ControllerState(NamedTuple):
    """Memories of the controller.  Queue slot n % D holds the rows with pulses of sample n until its commit."""

    weights: np.ndarray  # int32[columns + 1, classes]
    memory: np.ndarray  # int32[rows, columns]
    queue_count: np.ndarray  # int32[D]
    queue_row: np.ndarray  # int32[D, rows]
    queue_up: np.ndarray  # uint8[D, rows, columns]
    queue_down: np.ndarray  # uint8[D, rows, columns]
    channels: Channels


class Trace(NamedTuple):
    """Stages of a chunk of samples, one row per sample; `entries` counts the rows with pulses."""

    codes: np.ndarray  # int32[n, rows]
    conversion: np.ndarray
    """int32[n, planes, grid_rows * columns], of bit-serial reads, several rows of macros, or with calibration."""
    column: np.ndarray  # int32[n, planes, columns], of several rows of macros
    adc: np.ndarray  # int32[n, columns]
    hidden: np.ndarray  # int32[n, columns]
    logits: np.ndarray  # int32[n, classes]
    verdict: np.ndarray  # int32[n, 4]: update, target, rival, prediction
    delta: np.ndarray  # int32[n, columns]
    entries: np.ndarray  # int32[n]
    sums: np.ndarray  # int32[grid_rows, columns], scratch


class Log(NamedTuple):
    """Rows with pulses in order: of the update rule (entries) or on the write lines (strobes)."""

    row: np.ndarray  # int32[capacity]
    up: np.ndarray  # uint8[capacity, columns]
    down: np.ndarray  # uint8[capacity, columns]


def _log(capacity: int, columns: int) -> Log:
    return Log(
        np.empty(capacity, np.int32),
        np.empty((capacity, columns), np.uint8),
        np.empty((capacity, columns), np.uint8),
    )


@kernel
def commit(state, array, slot, events, strobes, logged):
    """Apply the queued pulses of one slot in row order; returns the log's length."""
    for k in range(state.queue_count[slot]):
        row, up, down = state.queue_row[slot, k], state.queue_up[slot, k], state.queue_down[slot, k]
        array_strobe(array, row, up, down, 0, events)
        strobes.row[logged] = row
        strobes.up[logged] = up
        strobes.down[logged] = down
        logged += 1
    state.queue_count[slot] = 0
    return logged


@kernel
def update(s, state, codes, delta, sample, slot, entries, logged):
    """One sample's update of the memory, rows in order; queues and logs the rows with pulses."""
    threshold = effective_threshold(s.threshold, sample, s.double_first, s.double_second)
    key, count = sample_key(s, sample), 0
    delta = firing(delta, key, s)
    for i in range(codes.shape[0]):
        if codes[i] != 0:
            up, down = state.queue_up[slot, count], state.queue_down[slot, count]
            if update_rule(state.memory[i], i, codes[i], delta, threshold, key, s, up, down) > 0:
                state.queue_row[slot, count] = i
                entries.row[logged] = i
                entries.up[logged] = up
                entries.down[logged] = down
                count += 1
                logged += 1
    state.queue_count[slot] = count
    return logged


@kernel
def convert(s, channels, array, macro, driven, full, events, sums, conversion, column):
    """One integrate and conversion of an array: column codes, and how many of them are clipped.

    driven: what drives the rows, 0..full; macro: the state of macro 0; sums: scratch; conversion, column: places for
    the codes of every row of macros and for their sum, empty where they are not looked at.
    """
    array_integrate(array, macro, driven, full, events, sums)
    raw = column_adc(sums.reshape(-1), s.lsb, s.adc_bits)
    if s.measure:
        measure(channels, raw, s.measure, s.offset_shift)
    partial = calibration(raw, channels.offset, channels.gain, s.calibrate, s.adc_bits)
    codes, clipped = partial_sum(partial, sums.shape[0], s.adc_bits)
    if conversion.shape[0] > 0:
        conversion[0] = raw
    if column.shape[0] > 0:
        column[0] = codes
    return codes, clipped


@kernel
def read(s, channels, array, macro, codes, events, sums, conversion, column):
    """One read of row codes: the column codes, how many of them are clipped, and how many of the planes' are.

    Arguments as of `convert`, conversion and column with a place for each plane.
    """
    if s.encoding != BIT_SERIAL:
        full = (1 << s.dac_bits) - 1
        total, clipped = convert(s, channels, array, macro, codes, full, events, sums, conversion, column)
        return total, clipped, 0
    planes, planes_clipped = np.empty((s.dac_bits, sums.shape[1]), np.int32), 0
    for plane in range(s.dac_bits):
        place = slice(plane, plane + 1)
        driven = (codes >> plane) & 1
        planes[plane], clipped = convert(
            s, channels, array, macro, driven, 1, events, sums, conversion[place], column[place]
        )
        planes_clipped += clipped
    total = shift_add(planes, s.serial_shift, s.adc_bits)
    clipped = 0
    for code in total:
        clipped += code == (1 << (s.adc_bits - 1)) - 1
    return total, clipped, planes_clipped


@kernel
def run_samples(s, state, array, pixels, labels, train, first, events, t, entries, strobes):
    """Samples `first`.. of a run, one row of `pixels` each; stages go to `t`, pulses to the logs.

    events: counts of the array's macros, brought up to date.  Returns the lengths of both logs, and how many column
    codes are clipped, of reads and of planes.
    """
    logged, entered, clipped, planes_clipped = 0, 0, 0, 0
    macro = macro_state(array, 0)
    for k in range(pixels.shape[0]):
        slot = (first + k) % s.commit_depth
        logged = commit(state, array, slot, events, strobes, logged)
        codes = dac_encode(pixels[k], s.dac_bits)
        if s.measure == OFFSETS:
            codes[:] = 0
        adc, at_limit, planes_at_limit = read(
            s, state.channels, array, macro, codes, events, t.sums, t.conversion[k], t.column[k]
        )
        clipped += at_limit
        planes_clipped += planes_at_limit
        hidden = activation(adc)
        logits = upper_layer(hidden, state.weights, s.adc_bits, s.logit_shift, s.logit_bits)
        verdict = margin_error(logits, labels[k], s.margin, train)
        t.codes[k], t.adc[k], t.hidden[k], t.logits[k] = codes, adc, hidden, logits
        t.verdict[k, 0], t.verdict[k, 1], t.verdict[k, 2], t.verdict[k, 3] = verdict
        before = entered
        if verdict[0]:
            delta = backprop_delta(state.weights, hidden, verdict[1], verdict[2], s.adc_bits, s.delta_bits)
            t.delta[k] = delta
            entered = update(s, state, codes, delta, first + k, slot, entries, entered)
        t.entries[k] = entered - before
    return entered, logged, clipped, planes_clipped


class GoldenController:
    """The controller and its array, with the coroutines of the host driver.

    image: the compiled device.  Register values are given by name (`configure`); counters read like the hardware's.
    """

    def __init__(self, params: HwParams, image: DeviceImage):
        self.params = params
        self.array = GoldenArray(params, image)
        p = params
        self.state = ControllerState(
            weights=np.zeros((p.upper_rows, p.classes), np.int32),
            memory=np.zeros((p.rows, p.columns), np.int32),
            queue_count=np.zeros(p.commit_depth, np.int32),
            queue_row=np.zeros((p.commit_depth, p.rows), np.int32),
            queue_up=np.zeros((p.commit_depth, p.rows, p.columns), np.uint8),
            queue_down=np.zeros((p.commit_depth, p.rows, p.columns), np.uint8),
            channels=channels(p),
        )
        self.registers: dict[str, int] = {}
        self._counters = dict.fromkeys(COUNTERS, 0)
        self.given_up = {"capped": 0, "unresponsive": 0}
        """Why cells or pairs were given up, since the beginning."""
        self.strobes = 0
        """Of all training so far, up to date whenever `run` reports progress."""

    @property
    def settings(self) -> Settings:
        return settings(self.params, self.registers)

    async def configure(self, **registers: int) -> None:
        """Set registers by name; KeyError for an unknown one."""
        for name, value in registers.items():
            BY_NAME[name]
            self.registers[name] = int(value)

    async def load_weights(self, weights: np.ndarray) -> None:
        """Upper-layer weights, int[columns + 1, classes], the bias unit last."""
        self.state.weights[:] = weights

    async def load_targets(self, targets: np.ndarray) -> None:
        """Sums of |code| that the channels should have, int[adc_channels], of a run that measures gains."""
        self.state.channels.target[:] = targets

    async def calibration(self) -> np.ndarray:
        """What each channel is corrected by, int64[adc_channels, 2]: offset in codes, gain in 1/4096."""
        return np.stack([self.state.channels.offset, self.state.channels.gain], axis=1).astype(np.int64)

    async def erase(self) -> None:
        self.array.erase()

    async def clear_memory(self) -> None:
        self.state.memory[:] = 0

    async def counters(self) -> dict[str, int]:
        return dict(self._counters)

    async def clear_counters(self) -> None:
        self._counters = dict.fromkeys(COUNTERS, 0)

    async def conductances(self) -> np.ndarray:
        """States of all pairs, uint16[rows, columns, 2]."""
        return self.array.conductances()

    async def transfer(
        self, counts: np.ndarray, *, trace: bool = False, progress: Callable[[int], None] | None = None
    ) -> RunRecord:
        """Open-loop pulses, int[rows, columns]: positive on G+, negative on G-; polarity from register WRITE.

        The record has the strobes if `trace`, else none: of a large array they take hundreds of megabytes.
        """
        depress = self.registers.get("WRITE", reset_value("WRITE")) & 1
        kept = []
        for row in range(self.params.rows):
            operations = pulse_scheduler(row, np.asarray(counts[row]))
            for operation in operations:
                self.array.strobe(*operation, depress)
            strobes = _strobes(operations, self.params.columns, depress)
            self._count(RunRecord(NONE, NONE, strobes), NONE)
            if trace:
                kept.append(strobes)
            if progress:
                progress(1)
        strobes = Strobes.join([Strobes.empty(self.params.columns), *kept])
        return RunRecord(NONE, NONE, strobes, {"strobe": _strobe_rows(strobes)} if trace else {})

    async def verify(
        self,
        targets: np.ndarray,
        way: str,
        *,
        trace: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> RunRecord:
        """Program-verify with the settings of the registers; targets and `way` as in `verify_logged`.

        The record has the strobes if `trace`, which a grid of macros cannot have.  Raises `InputError`.
        """
        settings, log = verify_settings(self.registers), no_log()
        if trace:
            cost, log = verify_logged(self.array.alone, targets, way, settings, new_log())
        else:
            cost = verify_array(self.array, targets, way, settings)
        strobes = strobes_of(log, self.params.columns)
        self._counters["STROBES"] += cost.pulses
        self._counters["PULSES_UP"] += cost.pulses_up
        self._counters["PULSES_DOWN"] += cost.pulses - cost.pulses_up
        self._counters["VERIFY_READS"] += cost.reads
        self._give_up(cost.capped, cost.unresponsive)
        if progress:
            progress(self.params.rows)
        return RunRecord(NONE, NONE, strobes, {"strobe": _strobe_rows(strobes)} if trace else {})

    async def run(
        self,
        mode: Mode,
        pixels: np.ndarray,
        labels: np.ndarray,
        *,
        trace: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> RunRecord:
        """Infer, train, tune or calibrate on samples in order: pixels uint8[n, inputs], labels int[n].

        The returned record has predictions, updates and strobes, and every stage if `trace`.
        """
        s, p = settings(self.params, self.registers, mode), self.params
        begin(self.state.channels)
        train = 1 if mode in (Mode.TRAIN, Mode.TUNE) else 0
        tuner, chunk = (self._tuner(), 1) if mode is Mode.TUNE else (None, CHUNK)
        labels = np.asarray(labels, np.int64)
        predictions, updates, clipped, planes_clipped = [NONE], [NONE], 0, 0
        planes = p.dac_bits if s.encoding == BIT_SERIAL else 0
        strobes = [Strobes.empty(p.columns)]
        traces: dict[str, list[np.ndarray]] = {name: [] for name in stage_names(p)} if trace else {}
        entries, log = _log(CHUNK * p.rows, p.columns), _log((CHUNK + p.commit_depth) * p.rows, p.columns)
        for first in range(0, len(pixels), chunk):
            if tuner:  # what is tuned is no longer in the queue
                strobes.append(self._tune(tuner, first))
            part = np.ascontiguousarray(pixels[first : first + chunk], np.uint8)
            t = _trace(p, len(part), planes)
            events = self.array.events
            run_of = (s, self.state, self.array.state, part, labels[first:], train, first, events)
            entered, logged, *at_limit = run_samples(*run_of, t, entries, log)
            self.array.reset(events)
            strobes.append(_copy(log, logged))
            self.strobes += logged
            predictions.append(t.verdict[:, 3])
            updates.append(t.verdict[:, 0])
            clipped += at_limit[0]
            planes_clipped += at_limit[1]
            if trace:
                _collect(traces, t, _copy(entries, entered))
            if progress:
                progress(len(part))
        if tuner:
            last = range(len(pixels), len(pixels) + p.commit_depth)
            strobes += [self._tune(tuner, n) for n in last]
        strobes.append(self._flush(len(pixels), log))
        record = RunRecord(
            np.concatenate(predictions), np.concatenate(updates), Strobes.join(strobes), traces
        )
        if trace:
            traces["strobe"] = _strobe_rows(record.strobes)
        if s.measure:
            finish(self.state.channels, s.measure, s.offset_shift, s.adc_bits)
        self._count(record, labels[: len(pixels)], clipped, planes or 1, planes_clipped)
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
        return Tuner(self.array.alone, verify_settings(self.registers), (up, down))

    def _tune(self, tuner: Tuner, sample: int) -> Strobes:
        """The commit before this sample, by tuning; its slot of the queue is empty then."""
        state, slot = self.state, sample % self.params.commit_depth
        count = state.queue_count[slot]
        queued = (queue[slot, :count] for queue in (state.queue_row, state.queue_up, state.queue_down))
        state.queue_count[slot] = 0
        return tuner.commit(*queued)

    def _flush(self, samples: int, log: Log) -> Strobes:
        """Commit what the last D samples left, in order."""
        events, logged = self.array.events, 0
        for n in range(samples, samples + self.params.commit_depth):
            slot = n % self.params.commit_depth
            logged = commit(self.state, self.array.state, slot, events, log, logged)
        self.array.reset(events)
        self.strobes += logged
        return _copy(log, logged)

    def _count(
        self,
        record: RunRecord,
        labels: np.ndarray,
        clipped: int = 0,
        planes: int = 1,
        planes_clipped: int = 0,
    ) -> None:
        added = counters(
            record.predictions, labels, record.updates, clipped, record.strobes, planes, planes_clipped
        )
        for name, amount in added.items():
            self._counters[name] += amount


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine of golden calls to its end: nothing in it ever waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("the golden model waited for something")


def _trace(p: HwParams, n: int, planes: int) -> Trace:
    """planes: of a bit-serial read, else 0."""

    def zeros(*shape: int) -> np.ndarray:
        return np.zeros((n, *shape), np.int32)

    several = p.grid_rows > 1
    conversions = max(planes, int(several), p.calibration)
    return Trace(
        codes=zeros(p.rows),
        conversion=zeros(conversions, p.grid_rows * p.columns),
        column=zeros(conversions if several else 0, p.columns),
        adc=zeros(p.columns),
        hidden=zeros(p.columns),
        logits=zeros(p.classes),
        verdict=zeros(4),
        delta=zeros(p.columns),
        entries=np.zeros(n, np.int32),
        sums=np.zeros((p.grid_rows, p.columns), np.int32),
    )


def _copy(log: Log, length: int) -> Strobes:
    row, up, down = (array[:length].copy() for array in log)
    return Strobes(row, up, down, np.zeros(length, np.uint8))


def _strobes(operations: list, columns: int, depress: int) -> Strobes:
    if not operations:
        return Strobes.empty(columns)
    rows, up, down = zip(*operations, strict=True)
    return Strobes(
        np.array(rows, np.int32), np.array(up), np.array(down), np.full(len(rows), depress, np.uint8)
    )


def _entry_rows(log: Strobes) -> list[np.ndarray]:
    """Rows with pulses as flat vectors: row, up..., down..."""
    return [
        np.concatenate([[r], u, d]).astype(np.int32)
        for r, u, d in zip(log.row, log.up, log.down, strict=True)
    ]


def _strobe_rows(strobes: Strobes) -> list[np.ndarray]:
    """Strobes as flat vectors: row, up..., down..., depress."""
    return [np.append(e, d) for e, d in zip(_entry_rows(strobes), strobes.depress, strict=True)]


def _collect(traces: dict[str, list[np.ndarray]], t: Trace, entries: Strobes) -> None:
    samples = len(traces["verdict"]) + np.arange(len(t.entries))
    traces.setdefault("entry_sample", []).extend(np.repeat(samples, t.entries))
    for name in ("codes", "adc", "hidden", "logits", "verdict"):
        traces[name] += list(getattr(t, name))
    for name in ("conversion", "column"):
        if name in traces:
            traces[name] += [codes for sample in getattr(t, name) for codes in sample]
    traces["delta"] += list(t.delta[t.verdict[:, 0] == 1])
    traces["entry"] += _entry_rows(entries)
