"""A job on real data for a co-simulation: the hybrid method on a data set's own training images."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from model.cost import array_utilisation
from model.data import Dataset, Split, load_data
from model.training import analog_upper, experiments, offline, range_search, transfer, trial, weights_file
from model.training import prepare as prepare_module
from model.training.experiments import resolve
from model.training.hybrid import HybridJob, Progress
from model.training.kept import kept_net
from model.training.offline import OfflineNet
from model.training.prepare import check_fit, prepare
from model.training.weights_file import weights_digest
from sim.cosim import CosimResult
from spec.errors import InputError
from spec.run_file import AUTO, RunSpec, dump_run, refuse_without_model

MAKERS = (offline, experiments, trial, prepare_module, transfer, range_search, analog_upper, weights_file)
"""Modules whose text decides what network and thresholds come out."""
KEPT = Path("build") / "jobs"
"""Thresholds that were chosen once; networks are kept by `model.training.kept`."""
CHOSEN = ("threshold", "margin", "upper_threshold")
"""What a run may leave to be chosen; the last stays so without an analog upper layer."""


def data_job(run: RunSpec, progress: Progress) -> HybridJob:
    """The job of the run's first seed; its online samples are taken from all training images, validation included.

    Nothing is judged by its accuracy: the comparison with the golden model is the point.  The network and what the
    run leaves to be chosen are kept in build.  Raises `InputError`.
    """
    refuse_without_model(run, "the RTL")
    data = load_data(run.data)
    check_fit(data, run.params)
    images = len(data.train) + len(data.validation)
    if run.train_samples > images:
        raise InputError(f"{run.data} has {images} training images", key="--samples")
    net, run = _network(run, data, progress)
    everything = Split(
        *(np.concatenate(both) for both in zip(_arrays(data.train), _arrays(data.validation), strict=True))
    )
    return prepare(run, replace(data, train=everything), net, run.seeds[0])


def _arrays(split: Split) -> tuple[np.ndarray, np.ndarray]:
    return split.pixels, split.labels


def _network(run: RunSpec, data: Dataset, progress: Progress) -> tuple[OfflineNet, RunSpec]:
    """The offline network, and the run with its thresholds chosen."""
    net = kept_net(
        data,
        run.params,
        run.offline,
        run.seeds[0],
        lambda done, total: progress("offline training", done, total),
    )
    whole = replace(run, train_samples=0, test_samples=0)
    file = KEPT / f"{Path(run.data).stem}-{_digest(whole, data)}.json"
    if file.exists():
        return net, replace(run, **json.loads(file.read_text()))
    chosen = resolve(whole, data, net, lambda done, total: progress("thresholds", done, total))
    values = {name: getattr(chosen, name) for name in CHOSEN if getattr(chosen, name) != AUTO}
    KEPT.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(values))
    part.replace(file)
    return net, replace(run, **values)


def _digest(run: RunSpec, data: Dataset) -> str:
    """Of what the network and the thresholds depend on: the run, the data, the code that makes them."""
    code = b"".join(Path(module.__file__ or "").read_bytes() for module in MAKERS)
    text = dump_run(run) + weights_digest(run.offline) + repr(sorted(data.digests.items()))
    return hashlib.sha256(text.encode() + code).hexdigest()[:16]


def figures(job: HybridJob, found: CosimResult) -> dict[str, float]:
    """What the online epoch took on the hardware: cycles per sample, and array utilisation."""
    online, registers = found.result.counters["online"], found.result.registers
    return {
        "cycles_per_sample": online["CYCLES"] / len(job.train_labels),
        "array_utilisation": array_utilisation(job.params, registers, online),
    }
