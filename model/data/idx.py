"""Arrays of bytes in IDX format, the one of MNIST: out of a tar archive, or out of a folder."""

import gzip
import re
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np

from spec.errors import InputError

PARTS = ("x_train", "y_train", "x_test", "y_test")
_NAME = re.compile(r"(?P<part>train|t10k|test)-(?P<what>images|labels)[-.]idx\d-ubyte(\.gz)?")
_BROKEN = (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error, struct.error)


def read_idx_archive(archive: Path, members: dict[str, str]) -> dict[str, np.ndarray]:
    """Arrays in IDX format out of a tar archive."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            return {key: parse_idx(_member(tar, name)) for key, name in members.items()}
    except _BROKEN as error:
        raise InputError(
            f"truncated or corrupt ({error}): remove the file and run again", source=str(archive)
        ) from None


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is not a file")
    return file.read()


def parse_idx(data: bytes) -> np.ndarray:
    """An IDX file of bytes: two zero bytes, type 8, the number of dimensions, each big-endian, then the data."""
    if data[:3] != b"\0\0\x08" or len(data) < 4:
        raise ValueError("not an IDX file of bytes")
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def is_idx_file(name: str) -> bool:
    """Is it the name of one of a data set's four files, with or without .gz?"""
    return _NAME.fullmatch(name) is not None


def read_idx_folder(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of a folder of MNIST's file names; train-images-idx3-ubyte.gz is one.  Raises `InputError`."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # a file that is unpacked too is taken so
        if found := _NAME.fullmatch(path.name):
            kind = "x" if found["what"] == "images" else "y"
            files[f"{kind}_{'train' if found['part'] == 'train' else 'test'}"] = path
    missing = [name for name in PARTS if name not in files]
    if missing:
        names = ", ".join(_usual_name(name) for name in missing)
        raise InputError(f"holds no {names} (or with .gz)", source=str(folder))
    return {name: _read(files[name]) for name in PARTS}


def _usual_name(part: str) -> str:
    kind, split = part.split("_")
    what = "images-idx3-ubyte" if kind == "x" else "labels-idx1-ubyte"
    return f"{'train' if split == 'train' else 't10k'}-{what}"


def _read(path: Path) -> np.ndarray:
    try:
        data = path.read_bytes()
        return parse_idx(gzip.decompress(data) if path.suffix == ".gz" else data)
    except _BROKEN as error:
        raise InputError(f"truncated or corrupt ({error})", source=str(path)) from None
