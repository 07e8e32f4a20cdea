"""numba for the golden model: the shared integer rules, compiled from their one text, and `kernel`.

Importing this module lets every kernel call the functions of `spec.numerics` by name.  The compiled functions
exported here are for direct calls.  All their arithmetic is int64: a kernel converts what it loads from an
unsigned array with `np.int64(...)` first, because numba mixes uint64 with int64 into float64.
"""

import hashlib
from math import sqrt
from pathlib import Path

import numba
import numpy as np
from numba.extending import overload, register_jitable

from spec import numerics

_ROOT = Path(__file__).parent.parent
_INLINED = (
    "spec/numerics.py",
    "spec/device_image.py",
    "model/jit.py",
    "spec/effects.py",
    "model/device/cell.py",
    "model/device/macro.py",
    "model/device/array.py",
    "model/device/effects/*.py",
    "model/layer.py",
    "model/sample.py",
    "model/upper.py",
    "model/controller/*.py",
    "model/cycles/*.py",
)


def _sources_digest() -> str:
    """A digest of the sources that kernels inline from other files."""
    paths = sorted(path for pattern in _INLINED for path in _ROOT.glob(pattern))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:12]


# numba's cache notices a change of a function's own file only: a kernel would keep the old text of a rule
# that it inlines from another file.  So the cache's directory carries the digest of those files.
# (mypy: numba.config fills itself at run time.)
_CACHE = Path(numba.config.CACHE_DIR or Path(__file__).parent / "__pycache__")  # type: ignore[attr-defined]
numba.config.CACHE_DIR = str(_CACHE / _sources_digest())  # type: ignore[attr-defined]


def kernel(function):
    """Compile an integer kernel: cached on disk, no Python objects, no global interpreter lock."""
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


def _isqrt(value):
    root = np.int64(sqrt(value))  # exact below 2**52, one off at most beyond
    while root * root > value:
        root -= 1
    while (root + 1) * (root + 1) <= value:
        root += 1
    return root


@overload(numerics.isqrt)
def _overload_isqrt(value):
    return _isqrt


for _rule in (
    numerics.round_shift,
    numerics.saturate,
    numerics.signed_limit,
    numerics.mix32,
    numerics.event_key,
    numerics.draw,
    numerics.mix_sums,
    numerics.update_seed_key,
    numerics.update_key,
    numerics.update_draw,
    numerics.thinning_mask,
    numerics.cell_index,
):
    register_jitable(_rule)

round_shift = kernel(numerics.round_shift)
saturate = kernel(numerics.saturate)
signed_limit = kernel(numerics.signed_limit)
mix32 = kernel(numerics.mix32)
event_key = kernel(numerics.event_key)
draw = kernel(numerics.draw)
update_seed_key = kernel(numerics.update_seed_key)
update_key = kernel(numerics.update_key)
update_draw = kernel(numerics.update_draw)
thinning_mask = kernel(numerics.thinning_mask)
cell_index = kernel(numerics.cell_index)
isqrt = kernel(_isqrt)
"""Compiled twins of `spec.numerics`, the same names; arguments are integers in the int64 range."""
