"""Offline networks that were trained once, kept in a folder by what decides their weights."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from model.data import Dataset
from model.training import offline
from model.training.offline import OfflineNet, train_offline
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
            return OfflineNet(*(_value(kept[field]) for field in OfflineNet._fields))
    net = train_offline(data, params, settings, seed, progress)
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{os.getpid()}-{name}"  # in place only when it is complete: others may look for it
    np.savez(whole, **net._asdict())
    whole.replace(file)
    return net


def _value(array: np.ndarray):
    return array if array.ndim else array.item()
