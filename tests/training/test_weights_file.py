"""Networks that were trained elsewhere: every layout gives the same weights, and what does not fit is told by name."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from model.training.offline import train_offline, untrained
from model.training.weights_file import load_weights, weights_digest
from spec.errors import InputError
from spec.run_file import OfflineSettings, run_from_dict


def layouts(net) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of a network in each layout."""
    w1, b1, w2, b2 = net.hidden[:-1], net.hidden[-1], net.upper[:-1], net.upper[-1]

    def torch(first: str, second: str) -> dict[str, np.ndarray]:
        return {f"{first}.weight": w1.T, f"{first}.bias": b1, f"{second}.weight": w2.T, f"{second}.bias": b2}

    return {
        "own": {"hidden": net.hidden, "upper": net.upper},
        "plain": {"w1": w1, "b1": b1, "w2": w2, "b2": b2},
        "fc": torch("fc1", "fc2"),
        "sequential": torch("net.2", "net.10"),
        "against the alphabet": torch("features", "classifier"),
    }


def save(path, arrays: dict[str, np.ndarray]) -> OfflineSettings:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    return OfflineSettings(weights=str(path))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("layout", ["own", "plain", "fc", "sequential", "against the alphabet"])
def test_the_network_is_the_one_that_was_trained(digits, digits_run, net, tmp_path, suffix, layout):
    settings = save(tmp_path / f"net{suffix}", layouts(net)[layout])
    calls = []
    found = train_offline(digits, digits_run.params, settings, 7, lambda *step: calls.append(step))
    assert found.hidden.dtype == found.upper.dtype == np.float32
    assert np.array_equal(found.hidden, net.hidden) and np.array_equal(found.upper, net.upper)
    assert found[2:] == net[2:] and found.test_accuracy > 0.9
    assert calls == [(settings.epochs, settings.epochs)]


def test_weights_of_other_types_and_without_biases(digits_run, net, tmp_path):
    arrays = {"w1": net.hidden[:-1].astype(np.float64), "w2": np.round(8 * net.upper[:-1]).astype(np.int32)}
    hidden, upper = load_weights(save(tmp_path / "net.npz", arrays), digits_run.params)
    assert np.array_equal(hidden[:-1], net.hidden[:-1]) and not hidden[-1].any()
    assert np.array_equal(upper[:-1], arrays["w2"]) and not upper[-1].any()


def test_inputs_that_the_file_expects_normalised(digits, digits_run, net, tmp_path):
    """A network that is given (x - mean) / std computes the same when mean and std are said."""
    mean, std = 0.3, 0.4
    w1 = net.hidden[:-1].astype(np.float64) * std
    arrays = {
        "w1": w1,
        "b1": net.hidden[-1] + mean / std * w1.sum(axis=0),
        "w2": net.upper[:-1],
        "b2": net.upper[-1],
    }
    settings = replace(save(tmp_path / "net.npz", arrays), mean=mean, std=std)
    hidden, _ = load_weights(settings, digits_run.params)
    assert np.allclose(hidden, net.hidden, atol=1e-5)  # rounding of sums of 64
    found = train_offline(digits, digits_run.params, settings, 0)
    assert found.test_accuracy == pytest.approx(net.test_accuracy, abs=0.01)


def test_the_digest_is_of_the_content(tmp_path, net):
    assert weights_digest(OfflineSettings()) == ""
    first = weights_digest(save(tmp_path / "a.npz", layouts(net)["own"]))
    settings = save(tmp_path / "a.npz", {"hidden": net.hidden + 1, "upper": net.upper})
    assert len(first) == 64 and weights_digest(settings) != first


BAD = [
    (
        {"hidden": None},
        "holds upper, not hidden and upper; w1, b1, w2, b2; or .weight and .bias of two layers",
    ),
    ({"hidden": np.zeros((64, 32))}, "hidden: is [64, 32], the hardware needs [65, 32]"),
    ({"upper": np.zeros((33, 9))}, "upper: is [33, 9], the hardware needs [33, 10]"),
    ({"upper": np.full((33, 10), np.nan)}, "upper: is not finite everywhere"),
    ({"upper": np.zeros((33, 10), bool)}, "upper: bool is not a type of numbers"),
    ({"momentum": np.zeros(3)}, "holds hidden, upper, momentum, not hidden and upper"),
]
BAD_TORCH = [
    ({"fc1.weight": np.zeros((128, 64))}, "fc1.weight: is [128, 64], the hardware needs [32, 64]"),
    ({"fc1.bias": np.zeros(31)}, "fc1.bias: is [31], the hardware needs [32]"),
    ({"fc2.weight": np.zeros((32, 10))}, "fc2.weight: is [32, 10], the hardware needs [10, 32]"),
    ({"fc2.weight": np.zeros(10)}, "fc2.weight: is [10], the hardware needs [10, 32]"),
    (
        {"fc3.weight": np.zeros((10, 10))},
        "holds fc1.weight, fc1.bias, fc2.weight, fc2.bias, fc3.weight, not hidden",
    ),
    ({"bn.running_mean": np.zeros(3)}, "bn.running_mean, not hidden"),
]


@pytest.mark.parametrize(
    "layout, change, said", [*(("own", *row) for row in BAD), *(("fc", *row) for row in BAD_TORCH)]
)
def test_arrays_that_do_not_fit_are_named(digits_run, net, tmp_path, layout, change, said):
    arrays = {name: array for name, array in (layouts(net)[layout] | change).items() if array is not None}
    settings = save(tmp_path / "net.npz", arrays)
    with pytest.raises(InputError) as told:
        load_weights(settings, digits_run.params)
    assert str(told.value).startswith(str(tmp_path / "net.npz")) and said in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_files_that_cannot_be_read(digits_run, tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    settings = OfflineSettings(weights=str(path))
    with pytest.raises(InputError, match="no such file"):
        load_weights(settings, digits_run.params)
    for content in (b"", b"nothing", bytes(100), b"PK\x03\x04" + bytes(50)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"not a readable {suffix} file"):
            load_weights(settings, digits_run.params)


def test_pickles_are_not_opened(digits_run, tmp_path):
    settings = save(tmp_path / "net.npz", {"hidden": np.array([{}], dtype=object)})
    with pytest.raises(InputError, match="not a readable"):
        load_weights(settings, digits_run.params)


@pytest.mark.parametrize("value", ["net.pt", 3, "npz"])
def test_other_kinds_of_files_are_refused_in_the_run_file(value):
    with pytest.raises(InputError, match=r"offline\.weights: .* is no \.npz or \.safetensors file"):
        run_from_dict({"data": "digits", "offline": {"weights": value}})


def deep_layouts(layers) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of a network of further hidden layers in each layout."""
    own = ["hidden", *(f"between{k}" for k in range(len(layers) - 2)), "upper"]
    plain = {
        f"{kind}{k}": part for k, w in enumerate(layers, 1) for kind, part in (("w", w[:-1]), ("b", w[-1]))
    }

    def torch(names) -> dict[str, np.ndarray]:
        pairs = list(zip(names, layers, strict=True))
        return {f"{n}.weight": w[:-1].T for n, w in pairs} | {f"{n}.bias": w[-1] for n, w in pairs}

    return {
        "own": dict(zip(own, layers, strict=True)),
        "plain": plain,
        "sequential": torch(["net.0", "net.2", "net.10", "net.12"]),
        "against the alphabet": torch(["stem", "body.0", "body.1", "classifier"]),
    }


@pytest.fixture(scope="module")
def deep(digits_run):
    """Two of its layers have the same shape: their names tell the order."""
    return untrained(digits_run.params, OfflineSettings(hidden=(32, 32)), 3)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("layout", deep_layouts([np.zeros((2, 1))] * 4))
def test_a_deep_network_is_the_one_in_the_file(digits, digits_run, deep, tmp_path, suffix, layout):
    settings = save(tmp_path / f"net{suffix}", deep_layouts(deep.layers)[layout])
    settings = replace(settings, hidden=(32, 32))
    found = train_offline(digits, digits_run.params, settings, 0)
    assert len(found.layers) == 4 and all(map(np.array_equal, found.layers, deep.layers))
    assert all(weights.dtype == np.float32 for weights in found.layers)


@pytest.mark.parametrize(
    "hidden, change, said",
    [
        ((), {}, "not hidden and upper; w1, b1, w2, b2; or .weight and .bias of two layers"),
        (
            (32,),
            {},
            "not hidden, between0 and upper; w1, b1, w2, b2, w3, b3; or .weight and .bias of three layers",
        ),
        ((32, 32, 32), {}, "or .weight and .bias of five layers"),
        ((32, 32, 32, 32), {}, "or .weight and .bias of 6 layers"),
        ((32, 31), {}, "between1: is [33, 32], the hardware needs [33, 31]"),
        ((32, 32), {"between0": np.full((33, 32), np.inf)}, "between0: is not finite everywhere"),
        ((32, 32), {"between2": np.zeros((33, 32))}, "or .weight and .bias of four layers"),
    ],
)
def test_files_of_other_depths_are_named(digits_run, deep, tmp_path, hidden, change, said):
    settings = save(tmp_path / "net.npz", deep_layouts(deep.layers)["own"] | change)
    with pytest.raises(InputError) as told:
        load_weights(replace(settings, hidden=hidden), digits_run.params)
    assert said in str(told.value) and "\n" not in str(told.value)
