"""Devices trained from scratch end where they were published to end, and inputs are those of that setting."""

import numpy as np
import pytest

from model.data import Dataset, Split, load_data
from model.study.neurosim import from_scratch, inputs_of
from spec.device_file import load_device
from spec.errors import InputError


def test_inputs_are_the_middle_in_one_bit():
    images = np.zeros((2, 28, 28), np.uint8)
    images[0, 4, 4], images[0, 3, 4], images[1, 23, 23] = 128, 255, 127
    inputs = inputs_of(images.reshape(2, -1))
    assert inputs.shape == (2, 400) and inputs[0].nonzero()[0].tolist() == [0] and not inputs[1].any()


def test_images_of_another_size_are_refused():
    with pytest.raises(InputError, match="data: images of 64 pixels, 784 needed"):
        inputs_of(np.zeros((1, 64), np.uint8))


@pytest.fixture(scope="module")
def blobs():
    """Ten classes, each a bright square at a place of its own."""
    rng = np.random.default_rng(0)

    def draw(count: int) -> Split:
        labels = rng.integers(0, 10, count)
        images = rng.integers(0, 100, (count, 28, 28))
        for image, label in zip(images, labels, strict=True):
            image[6 + 8 * (label // 5) :, :][:5, 5 + 4 * (label % 5) : 9 + 4 * (label % 5)] = 255
        return Split(images.reshape(count, -1).astype(np.uint8), labels)

    return Dataset("blobs", draw(2000), draw(100), draw(500), {})


def test_a_linear_device_learns_and_the_same_seed_gives_the_same(blobs):
    linear = load_device("linear")
    first, again = (from_scratch(linear, blobs, 3, epochs=2) for _ in range(2))
    assert first == again > 0.8
    assert from_scratch(linear, blobs, 3, epochs=0) < 0.4


@pytest.mark.slow
@pytest.mark.parametrize(("device", "published"), [("linear", 0.948), ("Ag:a-Si", 0.73), ("PCMO", 0.10)])
def test_devices_end_within_ten_points_of_the_published(device, published):
    assert abs(from_scratch(load_device(device), load_data("mnist")) - published) < 0.10
