"""Functional coverage of co-simulations: which bins a run hit, kept per run and merged over all of them.

A bin's name is `group item`.  Groups follow spec/ where they can, so that a new mode, rule or encoding has its bin by
itself.  Conditions between the stages come from the RTL (hw/conditions.py), all other bins from the golden record,
which the RTL has equalled.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from hw.conditions import CONDITIONS
from model.controller.settings import Settings, settings
from model.record import RunRecord
from spec.choices import ADC_KINDS, ENCODINGS, MEMORY_RULES, RULES, UPPER_LAYERS
from spec.numerics import signed_limit
from spec.params import HwParams
from spec.registers import VERIFY_WAYS, Fault, Mode
from spec.run_file import BACKWARD, ERRORS, TRAINED

FOLDER = Path("build") / "coverage"

_OUTSIDE = {
    Fault.ABORT: "",
    Fault.STROBE_CAP: "",
    Fault.COUNT_CAP: "the driver refuses such counts: block bench of the pulse gate",
    Fault.WATCHDOG: "the emulated array never hangs: block bench of the pulse gate",
}
"""Faults that come from outside the controller, with the reason where no job has them all the same."""
UNREACHABLE = {
    f"fault {fault.name}": _OUTSIDE.get(
        fault, "a fault of the controller itself: block bench of the pulse gate, proofs"
    )
    for fault in Fault
    if fault not in _OUTSIDE or _OUTSIDE[fault]
}
"""Conditions that no job on a sound controller reaches, and where they are tested."""

_WORDS = {
    "codes": ("rows", "dac_load_lanes"),
    "converters": ("columns", "adc_channels"),
    "update memory": ("columns", "update_columns"),
    "upper layer": ("classes", "macs"),
    "array": ("columns", "macro_lanes"),
}
"""Words of several items: what is cut into them, and their length."""


def _spec_bins() -> Iterator[tuple[str, str]]:
    for mode in Mode:
        yield f"mode {mode.name}", "a run in this mode, or for DEBUG a read-out"
    for way in VERIFY_WAYS:
        yield f"verify {way}", "a program-verify run"
    for rule in RULES:
        yield f"rule {rule}", "a training run with pulses in both directions"
    for encoding in ENCODINGS:
        yield f"encoding {encoding}", "a run on samples"
    for kind in ADC_KINDS:
        yield f"converter {kind}", "a run on samples"
    for rule in MEMORY_RULES:
        for end in ("+", "-"):
            yield f"memory {rule} at {end}limit", "a weight's update memory is saturated"
    yield from (
        ("grid one macro", "a layer on one macro"),
        ("grid of rows", "its rows on several macros"),
        ("grid of columns", "its columns on several macros"),
    )
    for kind in UPPER_LAYERS:
        yield f"upper layer {kind}", "a run on samples"
    for source in ERRORS:
        yield f"errors {source}", "a training run with errors"
    for layers in TRAINED:
        yield f"trained {layers}", "a training run with pulses on these layers, of an analog upper layer"
    for source in BACKWARD:
        yield f"backward {source}", "errors that are not 0, of an analog upper layer"
    for name in _WORDS:
        yield f"words {name} ragged", "the last word of a row or sample is not full"
        yield f"words {name} full", "the last word is full"


_SAMPLE_BINS = {
    "adc clips at +Q": "a column code at full scale",
    "adc clips at -Q": "a column code at minus full scale",
    "hidden zero": "an activation of 0",
    "hidden full": "an activation of Q",
    "logit saturates at +": "an output code at its limit",
    "logit saturates at -": "an output code at minus its limit",
    "delta saturates at +": "a backpropagated error at its limit",
    "delta saturates at -": "a backpropagated error at minus its limit",
    "delta zero": "a backpropagated error of 0",
    "margin update": "a sample that updates",
    "margin none": "a sample of a training run that does not",
    "margin on the edge": "the target leads by exactly MARGIN: no update",
    "margin below the edge": "the target leads by one less: an update",
    "margin tie with the rival": "target and best rival have the same code",
    "margin tie of rivals": "two rivals share the best code",
    "prediction right": "the best class is the label",
    "prediction wrong": "the best class is another",
    "entry up and down": "a row with pulses in both directions",
    "entry none": "an updating sample without a pulse",
    "entry first row": "pulses on row 0",
    "entry bias row": "pulses on the last row",
    "threshold once": "pulses before the threshold doubles",
    "threshold doubled": "pulses after the threshold has doubled",
    "threshold doubled twice": "pulses after it has doubled again",
    "commit at once": "a training run with D = 1",
    "commit delayed": "a training run with D > 1",
}

BINS: dict[str, str] = (
    dict(_spec_bins())
    | _SAMPLE_BINS
    | {name: doc for name, doc in CONDITIONS.items() if name not in UNREACHABLE}
)
"""Every bin and what it means."""


def conditions_seen(word: int) -> Counter[str]:
    """Bins of the conditions whose bits are set."""
    return Counter(name for k, name in enumerate(CONDITIONS) if word >> k & 1 and name in BINS)


def of_run(p: HwParams, s: Settings, mode: Mode, record: RunRecord, memory: np.ndarray) -> Counter[str]:
    """Bins that a run on samples hit, with how often; record: the golden one, traced; memory: update memory after it."""
    hits = Counter(
        {f"mode {mode.name}": 1, f"encoding {ENCODINGS[s.encoding]}": 1, f"converter {p.adc_kind}": 1}
    )
    for name, (total, lanes) in _WORDS.items():
        hits[f"words {name} {'ragged' if getattr(p, total) % getattr(p, lanes) else 'full'}"] += 1
    hits.update(_grid(p))
    trace, trains = record.trace, mode in (Mode.TRAIN, Mode.TUNE)
    hits += _values(trace, "adc", p.adc_limit, ("adc clips at +Q", "adc clips at -Q", ""))
    hits += _values(trace, "hidden", p.adc_limit, ("hidden full", "", "hidden zero"))
    hits += _values(trace, "logits", p.logit_limit, ("logit saturates at +", "logit saturates at -", ""))
    for logits, verdict in zip(trace["logits"], trace["verdict"], strict=True):
        hits.update(_verdict(logits, verdict, s.margin if trains else None))
    if trains:
        hits += _training(p, s, record, memory)
    return hits


def of_upper(p: HwParams, registers: Mapping[str, int], mode: Mode, record: RunRecord) -> Counter[str]:
    """Bins of the upper layer that a run on samples hit; registers: by name, as `of_run` else."""
    hits, taught = Counter({f"upper layer {p.upper_layer}": 1}), settings(p, dict(registers)).teacher
    if record.upper is None or mode not in (Mode.TRAIN, Mode.TUNE):
        return hits
    moved = tuple(
        layer for layer, strobes in (("first", record.strobes), ("last", record.upper)) if len(strobes)
    )
    hits.update(f"trained {name}" for name, layers in TRAINED.items() if layers == moved)
    if np.any(record.trace["delta"]) and not taught:
        hits[f"backward {BACKWARD[registers.get('BACKWARD', 0)]}"] += 1
    return hits


def _grid(p: HwParams) -> Iterator[str]:
    if p.grid_rows > 1:
        yield "grid of rows"
    if p.grid_columns > 1:
        yield "grid of columns"
    if p.grid_rows == p.grid_columns == 1:
        yield "grid one macro"


def _values(trace: dict, stage: str, limit: int, names: tuple[str, str, str]) -> Counter[str]:
    """How many values of a stage are at +limit, at -limit, 0; a group without a name is left out."""
    values = np.array(trace[stage])
    found = zip(names, (limit, -limit, 0), strict=True)
    return Counter({name: int((values == value).sum()) for name, value in found if name})


def _verdict(logits: np.ndarray, verdict: np.ndarray, margin: int | None) -> Iterator[str]:
    update, target, rival, prediction = (int(v) for v in verdict)
    lead = int(logits[target]) - int(logits[rival])
    yield "prediction right" if prediction == target else "prediction wrong"
    if lead == 0:
        yield "margin tie with the rival"
    if sum(code == logits[rival] for k, code in enumerate(logits) if k != target) > 1:
        yield "margin tie of rivals"
    if margin is not None:
        yield "margin update" if update else "margin none"
        if lead == margin:
            yield "margin on the edge"
        if lead == margin - 1:
            yield "margin below the edge"


def _training(p: HwParams, s: Settings, record: RunRecord, memory: np.ndarray) -> Counter[str]:
    trace = record.trace
    hits = _values(
        trace, "delta", p.delta_limit, ("delta saturates at +", "delta saturates at -", "delta zero")
    )
    if np.any(trace["delta"]):
        hits[f"errors {ERRORS[s.teacher]}"] += 1
    hits["commit at once" if p.commit_depth == 1 else "commit delayed"] += 1
    rule = RULES[s.rule]
    if min(record.strobes.pulses_up, record.strobes.pulses_down) > 0:
        hits[f"rule {rule}"] += 1
    for row, entry in zip(trace["entry_sample"], trace["entry"], strict=True):
        hits.update(_entry(p, s, int(row), entry))
    silent = np.flatnonzero(record.updates)
    hits["entry none"] += len(set(silent.tolist()) - {int(n) for n in trace["entry_sample"]})
    if rule in MEMORY_RULES:
        limit = signed_limit(p.accumulator_bits if rule == "accumulate" else p.counter_bits)
        for end, value in (("+", limit), ("-", -limit)):
            hits[f"memory {rule} at {end}limit"] += int((memory == value).sum())
    return hits


def _entry(p: HwParams, s: Settings, sample: int, entry: np.ndarray) -> Iterator[str]:
    doublings = (sample >= s.double_first) + (sample >= s.double_second)
    yield ("threshold once", "threshold doubled", "threshold doubled twice")[doublings]
    up, down = entry[1 : 1 + p.columns].any(), entry[1 + p.columns :].any()
    if up and down:
        yield "entry up and down"
    if entry[0] == 0:
        yield "entry first row"
    if entry[0] == p.rows - 1:
        yield "entry bias row"


def hit(counts: Counter[str]) -> dict[str, int]:
    """The bins with a count, in the order of `BINS`.  Raises KeyError for a name that is no bin."""
    for name in counts:
        BINS[name]
    return {name: counts[name] for name in BINS if counts[name] > 0}


def save(bins: dict[str, int], name: str, folder: Path = FOLDER) -> None:
    """Keep the bins of one run; a run of the same name takes its place."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"bins": bins}, indent=1) + "\n", encoding="utf-8")


def merged(files: Iterable[Path]) -> dict[str, int]:
    """In how many of the runs each bin was hit, 0 for a bin that none hit; all of `BINS`."""
    runs: Counter[str] = Counter()
    for file in files:
        runs.update(json.loads(file.read_text(encoding="utf-8"))["bins"].keys())
    return {name: runs[name] for name in BINS}
