"""A data set as bytes, split into train, validation and test, its content told by digests."""

import hashlib
from dataclasses import dataclass

import numpy as np

from spec.errors import InputError

_SPLIT_SEED = 20_250
_VALIDATION_SHARE = 12  # one in so many


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


def sha256_of(array: np.ndarray) -> str:
    """Of the array's bytes, as hex."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def stratified(labels: np.ndarray, shares: tuple[float, ...]) -> list[np.ndarray]:
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


def assemble(name: str, arrays: dict[str, np.ndarray], digests: dict[str, str]) -> Dataset:
    """A data set of a training and a test part: validation is taken from the former."""
    whole, test = (
        Split(np.ascontiguousarray(arrays[f"x_{part}"].reshape(len(arrays[f"x_{part}"]), -1)),
              arrays[f"y_{part}"].astype(np.int64))
        for part in ("train", "test")
    )  # fmt: skip
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(whole))
    validation, train = np.split(order, [max(1, len(whole) // _VALIDATION_SHARE)])
    return Dataset(name, whole.take(train), whole.take(validation), test, digests)


def check_arrays(arrays: dict[str, np.ndarray], source: str) -> None:
    """Raise `InputError` unless x_train, x_test are bytes and y_train, y_test their labels."""
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if x.dtype != np.uint8 or x.ndim < 2:
            raise InputError(
                f"{x.dtype}[{x.ndim} dimensions] is not uint8[samples, ...]", source=source, key=f"x_{part}"
            )
        if len(x) == 0:
            raise InputError("holds no samples", source=source, key=f"x_{part}")
        if y.shape != (len(x),) or y.dtype.kind not in "iu" or y.min() < 0:
            raise InputError(
                f"must be {len(x)} labels >= 0 of an integer type", source=source, key=f"y_{part}"
            )
    if arrays["x_train"].shape[1:] != arrays["x_test"].shape[1:]:
        raise InputError("samples differ in shape from x_train", source=source, key="x_test")


def check_digests(source: str, got: dict[str, str], wanted: dict[str, str], remedy: str) -> None:
    """Raise `InputError` with the remedy unless the digests are those that are wanted."""
    for key, found in got.items():
        if found != wanted[key]:
            raise InputError(
                f"sha256 of {key} is {found[:12]}..., not {wanted[key][:12]}...: {remedy}", source=source
            )
