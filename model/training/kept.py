"""Offline networks that were trained once, kept in a folder by what decides their weights."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model.data import Dataset
from model.training import offline
from model.training.offline import OfflineNet, net_of, train_offline
from spec.params import HwParams
from spec.run_file import OfflineSettings

KEPT = Path("build") / "nets"


def kept_net(
    data: Dataset,
    params: HwParams,
    settings: OfflineSettings,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    folder: Path | None = None,
) -> OfflineNet:
    """`train_offline`, or what it left in `folder` before for the same data, sizes, settings and seed.

    folder: `KEPT` if None.  Weights of a file are read anew each time.
    """
    if settings.weights:
        return train_offline(data, params, settings, seed, progress)
    folder = folder or KEPT
    shape = (params.rows, params.columns, params.classes)
    text = "\n".join(
        [Path(offline.__file__).read_text(), *data.digests.values(), repr((shape, settings, seed))]
    )
    name = f"{Path(data.name).stem}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"
    file = folder / name
    if file.exists():
        if progress:
            progress(settings.epochs, settings.epochs)
        with np.load(file) as kept:
            return _net(kept)
    net = train_offline(data, params, settings, seed, progress)
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{os.getpid()}-{name}"  # in place only when it is complete: others may look for it
    np.savez(whole, **_arrays(net))
    whole.replace(file)
    return net


_ACCURACIES = ("train_accuracy", "validation_accuracy", "test_accuracy")


def _arrays(net: OfflineNet) -> dict[str, Any]:
    """What is kept, by name."""
    arrays: dict[str, Any] = {"hidden": net.hidden, "upper": net.upper}
    arrays |= {f"between{k}": weights for k, weights in enumerate(net.between)}
    return arrays | {name: getattr(net, name) for name in _ACCURACIES}


def _net(kept: Mapping[str, np.ndarray]) -> OfflineNet:
    count = sum(name.startswith("between") for name in kept)
    layers = [kept["hidden"], *(kept[f"between{k}"] for k in range(count)), kept["upper"]]
    return net_of(layers, *(kept[name].item() for name in _ACCURACIES))
