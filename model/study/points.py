"""One point of a study: a dictionary that JSON can hold goes in, a flat dictionary of figures comes out.

    {"task": "measure", "run": {..}, "method": "hybrid accumulate", "settings": {..}, "net": 0, "seed": 7, "split": "test",
     "timed": true}

run: as a run file has it, without seeds; net: seed of the offline network; seed: of devices and order; timed: whether
the controller's cycles are counted, which takes several times as long (false).  Task "choose"
tries all candidates of a method's settings on the validation split instead.
"""

import json
from collections import OrderedDict
from dataclasses import asdict, replace
from functools import lru_cache

import numpy as np

from model.cost import operations
from model.data import Dataset, load_data
from model.study.controls import method_named
from model.study.costs import waiting_cycles
from model.study.methods import Method, Settings
from model.study.store import DONE
from model.training.hybrid import UPPER_TRANSFER
from model.training.kept import kept_net
from model.training.trial import Outcome, Trial
from spec.errors import InputError
from spec.params import HwParams
from spec.run_file import RunSpec, run_from_dict

SPLITS = ("validation", "test")
KEPT_TRIALS = 2
"""Trials whose start is kept: points of one network and array follow each other."""

_trials: OrderedDict[str, Trial] = OrderedDict()


@lru_cache(maxsize=1)
def _data(name: str) -> Dataset:
    return load_data(name)


@lru_cache(maxsize=4)
def _run(text: str) -> RunSpec:
    return run_from_dict(json.loads(text))


def check_point(point: dict) -> None:
    """Raise `InputError` for a method that there is not, or that the point's network is not for."""
    method_named(point["method"]).check(_run_of(point))


def _run_of(point: dict) -> RunSpec:
    return _run(json.dumps(point["run"], sort_keys=True))


def trial_of(point: dict) -> Trial:
    """The trial of a point, kept for the points that come next."""
    method = method_named(point["method"])
    if point["split"] not in SPLITS:
        raise InputError(f"{point['split']!r} is none of {', '.join(SPLITS)}", key="split")
    run = _run_of(point)
    method.check(run)
    if method.offline:
        run = replace(run, offline=replace(run.offline, kind=method.offline, weights=""))
    data = _data(run.data)
    net = kept_net(data, run.params, run.offline, point["net"])
    run = method.hardware(run)
    if method.network:
        net = method.network(run, point["seed"])
    timed = point.get("timed", False)
    key = repr((run, method.network, point["net"], point["seed"], point["split"], timed))
    if key not in _trials:
        while len(_trials) >= KEPT_TRIALS:
            _trials.popitem(last=False)
        split = data.validation if point["split"] == "validation" else None
        _trials[key] = Trial(run, data, net, point["seed"], split, timed=timed)
    _trials.move_to_end(key)
    return _trials[key]


def measure(point: dict) -> dict:
    """The figures of one point.  Raises `InputError` for a point that cannot be."""
    if point.get("task", "measure") == "choose":
        return choose(point)
    method, trial = method_named(point["method"]), trial_of(point)
    settings = point.get("settings") or best_settings(method, trial)
    return figures(method.measure(trial, settings), trial.job.params) | {"chosen": settings}


def best_settings(method: Method, trial: Trial) -> Settings:
    """The candidate that does best on the validation split, on the trial's own array."""
    inherited = best_settings(method_named(method.settings_of), trial) if method.settings_of else {}
    candidates = [
        inherited | settings for settings in method.candidates(trial.run, len(trial.job.train_labels))
    ]
    if len(candidates) == 1:
        return candidates[0]
    judged = Trial(trial.run, trial.data, trial.net, trial.seed, trial.data.validation)
    return best_of([tried(method, judged, candidates) | {"status": DONE}])


def best_of(results: list[dict]) -> Settings:
    """The candidate with most right predictions in several results of `choose`; among equals, that with fewest pulses.

    Raises `InputError` when none of them has a result.
    """
    done = [result for result in results if result["status"] == DONE]
    if not done:
        raise InputError(f"{results[0]['error']}: no settings could be chosen", source=results[0]["method"])
    right, transfer, online = (
        np.sum([r[f"each_{name}"] for r in done], axis=0)
        for name in ("accuracy", "transfer_pulses", "online_pulses")
    )
    k = max(range(len(right)), key=lambda k: (round(right[k], 9), -transfer[k] - online[k]))
    return done[0]["candidates"][k]


def each_of(results: list[dict]) -> list[dict[str, float]]:
    """Means over several results of `choose` of the figures of each candidate."""
    done = [result for result in results if result["status"] == DONE]
    names = [name for name in done[0] if name.startswith("each_")]
    means = {name.removeprefix("each_"): np.mean([r[name] for r in done], axis=0) for name in names}
    return [
        {name: float(values[k]) for name, values in means.items()} for k in range(len(done[0]["candidates"]))
    ]


def choose(point: dict) -> dict:
    """`tried` of all candidates of the method; `settings` of the point come with each."""
    method, trial = method_named(point["method"]), trial_of(point)
    candidates = [
        point.get("settings", {}) | settings
        for settings in method.candidates(trial.run, len(trial.job.train_labels))
    ]
    return tried(method, trial, candidates)


def tried(method: Method, trial: Trial, candidates: list[Settings]) -> dict:
    """The candidates, and lists of the figures that each of them has, by "each_" and the figure's name."""
    found = [figures(method.measure(trial, settings), trial.job.params) for settings in candidates]
    return {"candidates": candidates} | {f"each_{name}": [f[name] for f in found] for name in found[0]}


def figures(outcome: Outcome, params: HwParams) -> dict:
    """The columns of a result; params: the hardware that it is of."""
    columns: dict = {
        "accuracy": outcome.accuracy,
        "worst_cell": outcome.worst_cell,
        "memory_words": outcome.memory_words,
    }
    phases = outcome.phases
    parts = {"transfer": ("transfer", UPPER_TRANSFER), "ranges": ("ranges",), "online": ("online",)}
    for phase, names in parts.items():
        done = operations(*(phases[name] for name in names if name in phases))
        amounts = asdict(done) | {"waiting": waiting_cycles(params, done)}
        columns |= {f"{phase}_{name}": n for name, n in amounts.items() if n is not None}
    columns["given_up"] = sum(counters.get("GIVEN_UP", 0) for counters in phases.values())
    columns["updates"] = phases.get("online", {}).get("UPDATES", 0)
    return columns
