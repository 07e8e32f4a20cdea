"""Weights of a network that was trained elsewhere, out of an .npz or .safetensors file, in place of offline training.

The network is the hardware's: inputs 0..1 (or normalised, `OfflineSettings.mean` and `std`), one hidden layer, ReLU,
and a second layer whose largest output is the prediction; or it has the further hidden layers of
`OfflineSettings.hidden` between these two.  The file holds one of

    hidden, upper        [inputs + 1, columns], [columns + 1, classes]: the last row is the bias
    w1, b1, w2, b2       [inputs, columns], [columns], [columns, classes], [classes]
    A.weight, A.bias,    of PyTorch's Linear layers by any names, [columns, inputs], [columns],
    B.weight, B.bias     [classes, columns], [classes]

and, of further hidden layers, between0, between1 .. before upper, w3, b3 .. and C.weight, C.bias ..  Biases may be
absent and nothing else may be present.
"""

import hashlib
import io
import re
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors

from spec.errors import InputError
from spec.params import HwParams
from spec.run_file import OfflineSettings

Arrays = dict[str, np.ndarray]
_WORDS = ("two", "three", "four", "five")


def weights_digest(settings: OfflineSettings) -> str:
    """sha256 of the file of weights, "" if there is none: part of what a network that is kept depends on."""
    return hashlib.sha256(_bytes(Path(settings.weights))).hexdigest() if settings.weights else ""


def load_weights(settings: OfflineSettings, params: HwParams) -> list[np.ndarray]:
    """Layers from the inputs to the classes, float32[units below + 1, units], biases last.  Raises `InputError`."""
    path = Path(settings.weights)
    arrays = _read(path)
    try:
        hidden, *others = _layers(arrays, [(rows - 1, units) for rows, units in settings.shapes(params)])
    except InputError as error:
        raise InputError(str(error), source=str(path)) from None
    if settings.mean != 0 or settings.std != 1:
        hidden = _for_raw_inputs(hidden, settings.mean, settings.std)
    return [layer.astype(np.float32) for layer in (hidden, *others)]


def _for_raw_inputs(hidden: np.ndarray, mean: float, std: float) -> np.ndarray:
    """The layer that does to x what this one does to (x - mean) / std."""
    weights = hidden[:-1] / std
    return np.vstack([weights, hidden[-1:] - mean * weights.sum(axis=0)])


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError("no such file", source=str(path), key="offline.weights") from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from None


def _read(path: Path) -> Arrays:
    data = _bytes(path)
    try:
        if path.suffix == ".npz":
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                arrays = dict(file)
        else:
            arrays = load_safetensors(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zlib.error, struct.error,
            zipfile.BadZipFile, SafetensorError) as error:  # fmt: skip
        raise InputError(f"not a readable {path.suffix} file ({error})", source=str(path)) from None
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu":
            raise InputError(f"{array.dtype} is not a type of numbers", source=str(path), key=name)
        if not np.isfinite(array).all():
            raise InputError("is not finite everywhere", source=str(path), key=name)
    return {name: array.astype(np.float64) for name, array in arrays.items()}


def _layers(arrays: Arrays, shapes: list[tuple[int, int]]) -> list[np.ndarray]:
    """shapes: of each layer without its bias."""
    count = len(shapes)
    own = ["hidden", *(f"between{k}" for k in range(count - 2)), "upper"]
    if arrays.keys() == set(own):
        for name, (below, units) in zip(own, shapes, strict=True):
            _check(arrays, name, (below + 1, units))
        return [arrays[name] for name in own]
    numbered = [(f"w{k}", f"b{k}") for k in range(1, count + 1)]
    if {w for w, _ in numbered} <= arrays.keys() <= {name for pair in numbered for name in pair}:
        return [_with_bias(arrays, *pair, shape) for pair, shape in zip(numbered, shapes, strict=True)]
    layers = sorted(
        {name.removesuffix(".weight") for name in arrays if name.endswith(".weight")}, key=_natural
    )
    known = {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    if len(layers) != count or not arrays.keys() <= known:
        raise InputError(f"holds {', '.join(arrays) or 'nothing'}, not {_layouts(own, numbered)}")
    transposed = {name: array.T for name, array in arrays.items()}
    layers = _in_order(layers, {layer: transposed[f"{layer}.weight"].shape for layer in layers}, shapes)
    return [
        _with_bias(transposed, f"{layer}.weight", f"{layer}.bias", shape, torch=True)
        for layer, shape in zip(layers, shapes, strict=True)
    ]


def _layouts(own: list[str], numbered: list[tuple[str, str]]) -> str:
    """What a file of so many layers may hold."""
    count = len(own)
    said = _WORDS[count - 2] if count - 2 < len(_WORDS) else str(count)
    names = ", ".join(name for pair in numbered for name in pair)
    return f"{', '.join(own[:-1])} and upper; {names}; or .weight and .bias of {said} layers"


def _in_order(
    layers: list[str], found: dict[str, tuple[int, ...]], shapes: list[tuple[int, int]]
) -> list[str]:
    """Layers by the shapes that they should have: names do not tell the order; as they are, if these do not either."""
    left, ordered = list(layers), []
    for shape in shapes:
        layer = next((layer for layer in left if found[layer] == shape), None)
        if layer is None:
            return layers
        left.remove(layer)
        ordered.append(layer)
    return ordered


def _natural(name: str) -> list:
    """Numbers in names by their value."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name)]


def _with_bias(
    arrays: Arrays, weight: str, bias: str, shape: tuple[int, int], torch: bool = False
) -> np.ndarray:
    _check(arrays, weight, shape, torch)
    row = arrays.get(bias, np.zeros(shape[1]))
    if row.shape != shape[1:]:
        raise InputError(f"is {list(row.shape)}, the hardware needs {list(shape[1:])}", key=bias)
    return np.vstack([arrays[weight], row])


def _check(arrays: Arrays, name: str, shape: tuple[int, int], torch: bool = False) -> None:
    """Shapes are told as the file has them, those of PyTorch with outputs first."""
    found = arrays[name].shape
    if found != shape:
        way = -1 if torch else 1
        raise InputError(f"is {list(found[::way])}, the hardware needs {list(shape[::way])}", key=name)
