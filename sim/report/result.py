"""A main job's result as files: result.json for figures, arrays.npz for what is drawn."""

import importlib.metadata
import io
import json
import platform
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from model.cost import array_utilisation, estimate, operations
from model.training.hybrid import UPPER_TRANSFER
from sim.cosim import CosimResult
from sim.main_job import MainResult, response_curves
from sim.report.figures import standard_error
from sim.toolchain import simulator_version
from spec.errors import InputError
from spec.registers import VERSION as REGISTER_MAP
from spec.run_file import dump_run

RESULT, ARRAYS = "result.json", "arrays.npz"
FORMAT = 1
SHOWN_DEVICES = 48
"""Devices whose pulse response is drawn."""
ARRAY_NAMES = (
    "average", "before", "after", "per_cell", "chunk_ends", "chunk_up", "chunk_down", "nominal_up", "nominal_down",
    "noise", "cells",
)  # fmt: skip

_PACKAGES = ("crosstrain", "numpy", "numba", "scikit-learn", "amaranth", "cocotb")


def result_arrays(result: MainResult) -> dict[str, np.ndarray]:
    """What the figures draw, by the names of `ARRAY_NAMES`; conductances in uS."""
    first, unit, marks = result.first.result, result.first.compiled.uS_per_code, result.first.marks
    # Pulses that the last samples left in the queue are committed after the last chunk, and counted with it.
    totals = np.delete(marks.pulses, -2, axis=0).T
    curves = response_curves(result)
    curves["cells"] = curves["cells"][:, :SHOWN_DEVICES]
    return {
        "average": first.learning_curve(_window(len(first.train_correct))).astype(np.float32),
        "before": _difference(result.first.before, unit),
        "after": _difference(np.asarray(first.conductances), unit),
        "per_cell": result.first.given.astype(np.int32),
        "chunk_ends": marks.samples[:-1],
        "chunk_up": np.diff(totals[0], prepend=0),
        "chunk_down": np.diff(totals[1], prepend=0),
        **{name: curve.astype(np.float32) for name, curve in curves.items()},
    }


def _window(samples: int) -> int:
    """Online samples that the learning curve averages over: 200, a fifth of a short epoch, a 25th of a long one."""
    return max(1, min(200, samples // 5), samples // 25)


def _difference(states: np.ndarray, unit: float) -> np.ndarray:
    return ((states[..., 0].astype(np.int64) - states[..., 1]) * unit).astype(np.float32)


def result_json(result: MainResult) -> dict[str, Any]:
    """Everything but the arrays; accuracies are shares, `pulses` and the like are of the first seed."""
    run, first, rtl = result.run, result.first.result, result.rtl
    speeds = _speeds(result)
    accuracies = {name: values for name, values in result.accuracies.items() if values}
    transfer, online = (
        operations(*(first.counters[phase] for phase in phases if phase in first.counters))
        for phases in (("transfer", UPPER_TRANSFER), ("online",))
    )
    return {
        "format": FORMAT,
        "data": run.data,
        "data_samples": {name: len(getattr(result.data, name)) for name in ("train", "validation", "test")},
        "data_sha256": result.data.digests,
        "device": run.device.name,
        "device_source": run.device.source,
        "assumed": list(run.device.assumed),
        "rule": run.rule,
        "errors": run.errors,
        "threshold": run.threshold,
        "margin": run.margin,
        "lsb": first.lsb,
        "learning_curve_window": _window(len(first.train_correct)),
        "simulator": result.simulator,
        "samples": len(first.train_correct),
        "mismatches": rtl.mismatches if rtl else None,
        "accuracy": {name: float(np.mean(values)) for name, values in accuracies.items()},
        "accuracy_standard_error": {name: standard_error(np.array(v)) for name, v in accuracies.items()},
        "accuracy_per_seed": accuracies,
        "hybrid_minus": _gains(accuracies),
        "pulses": {
            "transfer": transfer.pulses,
            "online_up": first.counters["online"]["PULSES_UP"],
            "online_down": first.counters["online"]["PULSES_DOWN"],
            "program_verify": result.program_verify.pulses,
        },
        "strobes": {
            "transfer": transfer.strobes, "online": online.strobes, "program_verify": result.program_verify.strobes,
        },
        "verify_reads": {"online": online.verify_reads, "program_verify": result.program_verify.verify_reads},
        "updates": first.counters["online"]["UPDATES"],
        "estimates": {
            name: asdict(estimate(run.params, run.device, done))
            for name, done in (("transfer", transfer), ("online", online), ("program_verify", result.program_verify))
        },
        "array_utilisation": speeds["array_utilisation"],
        "array_stretch": speeds["array_stretch"],
        "samples_per_s": {"golden": result.first.samples_per_s, "rtl": speeds["samples_per_s"]},
        "rtl": _rtl(result),
        "seeds": list(run.seeds),
        "params": asdict(run.params),
        "hidden": list(run.offline.hidden),
        "compiled": asdict(result.first.compiled),
        "versions": versions(result.simulator),
        "run": dump_run(run),
    }  # fmt: skip


def _gains(accuracies: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Accuracy of the hybrid method minus that of each other one, seed by seed: mean and standard error."""
    gains = {}
    for name, values in accuracies.items():
        if name != "hybrid":
            difference = np.subtract(accuracies["hybrid"], values)
            gains[name] = {"mean": float(difference.mean()), "standard_error": standard_error(difference)}
    return gains


def _speeds(result: MainResult) -> dict[str, Any]:
    """What the RTL's online epoch says of the controller's timing; None where it was not run to its end."""
    found = result.rtl
    if found is None or found.result is None:
        return {"array_utilisation": None, "array_stretch": None, "samples_per_s": None}
    online = found.result.counters["online"]
    return {
        "array_utilisation": array_utilisation(result.run.params, found.result.registers, online),
        "array_stretch": online["STRETCH"] / online["ELAPSED"],
        "samples_per_s": rtl_samples_per_s(found),
    }


def rtl_samples_per_s(found: CosimResult) -> float:
    """Online samples per second of simulation, from the cycles of the epoch and the cycles per second of it all."""
    online = found.result.counters["online"]
    return online["SAMPLES_DONE"] * found.cycles / found.seconds / online["CYCLES"]


def _rtl(result: MainResult) -> dict[str, Any] | None:
    found, job = result.rtl, result.rtl_job
    if found is None or job is None:
        return None
    about = {
        "completed": found.result is not None,
        "samples": len(job.train_labels),
        "whole_epoch": len(job.train_labels) == len(result.first.job.train_labels),
        "test_samples": len(job.test_labels),
        "cycles": found.cycles,
        "seconds": found.seconds,
        "differences": found.differences,
        "counters": found.counters,
    }
    if found.result is None:
        return about
    up, down = found.result.online_pulses
    return about | {
        "online_up": up,
        "online_down": down,
        "hybrid_accuracy": found.result.hybrid_accuracy,
        "counters": found.result.counters["online"],
    }


def versions(simulator: str | None) -> dict[str, str]:
    """Versions of what a result depends on."""
    found = {"python": platform.python_version(), "register map": str(REGISTER_MAP)}
    found |= {name: importlib.metadata.version(name) for name in _PACKAGES}
    return found | ({simulator: simulator_version(simulator)} if simulator else {})


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    """The arrays as the bytes of an .npz file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def load_result(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The result and arrays of a run's folder.  Raises `InputError`."""
    path = folder / RESULT
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no such file: give the folder of a finished run", source=str(path)) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", source=str(path)) from None
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise InputError(f"is not a result of format {FORMAT}", source=str(path))
    path = folder / ARRAYS
    try:
        # from memory: numpy leaves a broken file open
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return result, {name: file[name] for name in ARRAY_NAMES}
    except FileNotFoundError:
        raise InputError("no such file", source=str(path)) from None
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(f"cannot be read: {error}", source=str(path)) from None
