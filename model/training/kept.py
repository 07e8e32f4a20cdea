"""Offline networks that were trained once, kept in a folder by what decides their weights."""

import hashlib
import os
from collections.abc import Callable, Mapping
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
            return _read(kept)
    net = train_offline(data, params, settings, seed, progress)
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{os.getpid()}-{name}"  # in place only when it is complete: others may look for it
    layers = {f"between{k}": layer for k, layer in enumerate(net.between)}
    np.savez(whole, **{name: getattr(net, name) for name in _FIELDS}, **layers)
    whole.replace(file)
    return net


_FIELDS = [name for name in OfflineNet._fields if name != "between"]


def _read(kept: Mapping[str, np.ndarray]) -> OfflineNet:
    count = len(kept) - len(_FIELDS)
    values = (array if array.ndim else array.item() for array in (kept[name] for name in _FIELDS))
    return OfflineNet(*values, tuple(kept[f"between{k}"] for k in range(count)))
