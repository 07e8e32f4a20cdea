"""The host driver on a bus without hardware: the same calls do what they do on the golden controller."""

from dataclasses import replace

import numpy as np
import pytest

from hw.interfaces import Pixels
from model.controller.settings import teacher_register
from model.controller.teacher_delta import Teacher
from model.system import COUNTERS, GoldenController, run
from sim.feed import COUNTS, feed, sample_words
from sim.feed import SAMPLES as SAMPLE_STREAM
from sim.host import HardwareFault, Host, HostError, IdentityError
from sim.payloads import pack
from spec.errors import InputError
from spec.params import INSTANCES, HwParams
from spec.registers import FAULT_DOC, Fault, Mode
from tests.device.reference_macro import simple_image
from tests.sim.fake_bus import FakeBus

TINY = INSTANCES["TINY"]
SAMPLES = 40


def job(rng: np.random.Generator, p: HwParams):
    """The calls of a short job, as a function of what has them."""
    weights = rng.integers(-128, 128, (p.upper_rows, p.classes))
    counts = rng.integers(-20, 21, (p.rows, p.columns))
    pixels = rng.integers(0, 256, (SAMPLES, p.inputs), dtype=np.uint8)
    labels = rng.integers(0, p.classes, SAMPLES)

    async def play(controller):
        done: list[int] = []
        await controller.clear_counters()
        await controller.configure(LSB=3000, LOGIT_SHIFT=6, MARGIN=60, THRESHOLD=1 << 12)
        await controller.load_weights(weights)
        await controller.erase()
        await controller.clear_memory()
        await controller.transfer(counts, progress=done.append)
        assert sum(done) == p.rows
        inferred = await controller.run(Mode.INFER, pixels, labels)
        trained = await controller.run(Mode.TRAIN, pixels, labels, progress=done.append)
        assert sum(done) == p.rows + SAMPLES
        return inferred, trained, await controller.conductances(), await controller.counters()

    return play


@pytest.mark.parametrize("most", [1000, 5])
def test_a_job_does_the_same_as_on_the_golden_controller(seed, most):
    play = job(np.random.default_rng(seed), TINY)
    image = simple_image()
    host = Host(FakeBus(TINY, most=most), TINY)
    run(host.check_identity())
    run(host.load_image(image))
    got, expected = run(play(host)), run(play(GoldenController(TINY, image)))
    for ours, golden in zip(got[:2], expected[:2], strict=True):
        assert ours.predictions.tolist() == golden.predictions.tolist()
        assert ours.updates.tolist() == golden.updates.tolist()
    assert expected[1].updates.any()
    assert got[2].dtype == np.uint16
    assert got[2].tolist() == expected[2].tolist()
    assert {name: got[3][name] for name in COUNTERS} == expected[3]
    assert host.bus.pauses > 0
    assert host.bus.stored["MODE"] == Mode.INFER


def taught(p: HwParams, samples: int = SAMPLES) -> Teacher:
    """Codes for the samples."""
    codes = np.random.default_rng(3).integers(0, p.adc_limit + 1, (samples, p.columns))
    return Teacher(codes.astype(np.int16), np.zeros((0, p.classes), np.int16))


@pytest.mark.parametrize("most", [1000, 5])
def test_codes_of_a_teacher_go_with_the_samples(seed, most):
    rng, image = np.random.default_rng(seed), simple_image()
    counts = rng.integers(-20, 21, (TINY.rows, TINY.columns))
    pixels, labels = rng.integers(0, 256, (SAMPLES, TINY.inputs)), rng.integers(0, TINY.classes, SAMPLES)
    bus = FakeBus(TINY, most=most)
    host, golden = Host(bus, TINY), GoldenController(TINY, image)
    run(host.load_image(image))
    for ctl in (host, golden):
        run(ctl.configure(LSB=3000, THRESHOLD=1 << 12, TEACHER=teacher_register(1)))
        run(ctl.erase())
        run(ctl.transfer(counts))
    done: list[int] = []
    got = run(host.run(Mode.TRAIN, pixels, labels, teacher=taught(TINY), progress=done.append))
    expected = run(golden.run(Mode.TRAIN, pixels, labels, teacher=taught(TINY)))
    assert sum(done) == SAMPLES
    assert got.updates.tolist() == [1] * SAMPLES
    assert got.predictions.tolist() == expected.predictions.tolist()
    assert len(expected.strobes)
    assert run(host.conductances()).tolist() == run(golden.conductances()).tolist()


@pytest.mark.parametrize(
    ("on", "codes", "message"),
    [
        (1, None, "the run follows codes, none are given"),
        (0, np.zeros((2, TINY.columns), int), "codes are given, the run follows none"),
        (1, np.zeros((3, TINY.columns), int), "codes of 3 samples for 2"),
        (1, np.zeros((2, TINY.columns - 1), int), "shape"),
        (1, np.full((2, TINY.columns), TINY.adc_limit + 1), "32 is outside 0..31"),
    ],
)
def test_codes_that_do_not_fit_a_run_are_refused_before_it_starts(on, codes, message):
    bus = FakeBus(TINY)
    host = Host(bus, TINY)
    run(host.configure(TEACHER=on))
    teacher = None if codes is None else Teacher(codes, np.zeros((0, TINY.classes), int))
    samples = np.zeros((2, TINY.inputs), int), np.zeros(2, int)
    with pytest.raises(InputError, match=message):
        run(host.run(Mode.TRAIN, *samples, teacher=teacher))
    assert not bus.words and not bus.codes


def test_codes_follow_when_the_next_sample_was_sent():
    pixels, labels = np.zeros((3, TINY.inputs), np.uint8), np.zeros(3, int)
    order = [(stream, done) for stream, _, done in feed(TINY, pixels, labels, taught(TINY, 3))]
    sample = (SAMPLE_STREAM, 0)
    assert order == [sample, sample, (COUNTS, 1), sample, (COUNTS, 1), (COUNTS, 1)]


@pytest.mark.parametrize(
    ("register", "message"),
    [
        ("MAGIC", "no Crosstrain controller"),
        ("VERSION", "another version"),
        ("PARAMS_HASH", "other parameters than TINY"),
    ],
)
def test_other_hardware_is_refused(register, message):
    bus = FakeBus(TINY)
    bus.inputs[register] ^= 1
    with pytest.raises(IdentityError, match=message):
        run(Host(bus, TINY).check_identity())


def test_fields_keep_their_neighbours():
    host = Host(FakeBus(TINY), TINY)
    run(host.write_field("WRITE", 0xA5, "amplitude"))
    run(host.write_field("WRITE", 1, "depress"))
    assert run(host.read_field("WRITE", "amplitude")) == 0xA5
    assert run(host.read_field("WRITE", "depress")) == 1
    assert host.bus.stored["WRITE"] == 0xA5 << 1 | 1


@pytest.mark.parametrize(
    ("register", "field", "value", "error"),
    [
        ("WRITE", "amplitude", 256, InputError),
        ("MARGIN", "value", -1, InputError),
        ("STATUS", "busy", 1, InputError),
        ("WEIGHT_DATA", "value", 1, InputError),
        ("MARGIN", "depress", 1, KeyError),
        ("NOTHING", "value", 1, KeyError),
    ],
)
def test_a_wrong_field_is_refused(register, field, value, error):
    with pytest.raises(error):
        run(Host(FakeBus(TINY), TINY).write_field(register, value, field))


def test_an_encoding_that_is_not_built_in_is_refused():
    serial = replace(TINY, encodings=("amplitude", "bit_serial"))
    run(Host(FakeBus(serial), serial).configure(ENCODING=2))
    with pytest.raises(InputError, match="ENCODING"):
        run(Host(FakeBus(serial), serial).configure(ENCODING=1))


def test_calibration_that_is_not_built_in_is_refused():
    host = Host(FakeBus(TINY), TINY)
    for step in (
        host.calibration(),
        host.load_targets(np.zeros(TINY.adc_channels, np.int64)),
        host.restore_calibration(np.zeros((TINY.adc_channels, 2), np.int64)),
        host.run(Mode.CALIBRATE, np.zeros((1, TINY.inputs), np.uint8), np.zeros(1, np.int64)),
    ):
        with pytest.raises(InputError, match="calibration"):
            run(step)


@pytest.mark.parametrize(
    ("offset", "gain", "channels"), [(32, 4096, 2), (0, 1 << 14, 2), (0, -1, 2), (0, 4096, 3)]
)
def test_a_calibration_that_does_not_fit_is_refused(offset, gain, channels):
    calibrated = replace(TINY, calibration=1)
    bus = FakeBus(calibrated)
    with pytest.raises(InputError):
        run(Host(bus, calibrated).restore_calibration(np.array([[offset, gain]] * channels)))
    assert bus.stored == FakeBus(calibrated).stored


@pytest.mark.parametrize("values", [{"MARGIN": 1 << 17}, {"STATUS": 0}, {"CONTROL": 1}])
def test_a_wrong_configuration_leaves_everything_as_it_was(values):
    bus = FakeBus(TINY)
    before = dict(bus.stored)
    with pytest.raises(InputError):
        run(Host(bus, TINY).configure(LSB=7, **values))
    assert bus.stored == before


def call(host: Host, name: str, value: object):
    """One call with a bad argument."""
    pixels, labels = np.zeros((2, TINY.inputs), np.uint8), np.zeros(2, int)
    return {
        "pixels": lambda: host.run(Mode.INFER, value, labels),
        "labels": lambda: host.run(Mode.INFER, pixels, value),
        "mode": lambda: host.run(value, pixels, labels),
        "counts": lambda: host.transfer(value),
        "weights": lambda: host.load_weights(value),
        "image": lambda: host.load_image(value),
    }[name]()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pixels", np.full((2, TINY.inputs), 256)),
        ("pixels", np.zeros((2, TINY.inputs + 1), np.uint8)),
        ("pixels", np.zeros((2, TINY.inputs))),
        ("labels", np.full(2, TINY.classes)),
        ("labels", np.zeros(3, int)),
        ("mode", Mode.TRANSFER),
        ("counts", np.full((TINY.rows, TINY.columns), 2048)),
        ("counts", np.full((TINY.rows, TINY.columns), -2048)),
        ("counts", np.zeros((TINY.columns, TINY.rows), int)),
        ("weights", np.full((TINY.upper_rows, TINY.classes), 128)),
        ("weights", np.zeros((TINY.columns, TINY.classes), int)),
        ("image", simple_image(12)),
    ],
)
def test_a_bad_argument_is_refused_before_anything_is_sent(name, value):
    bus = FakeBus(TINY)
    bus.stored["COUNT_CAP"] = (
        100 if value is not None and np.max(getattr(value, "flat", [0])) == 101 else 2048
    )
    with pytest.raises(InputError):
        run(call(Host(bus, TINY), name, value))
    assert not bus.words and not bus.weights and not any(bus.image)


def test_counts_above_the_cap_are_refused():
    host = Host(FakeBus(TINY), TINY)
    run(host.configure(COUNT_CAP=100))
    run(host.transfer(np.full((TINY.rows, TINY.columns), 100)))
    with pytest.raises(InputError, match=r"101 is outside -100\.\.100"):
        run(host.transfer(np.full((TINY.rows, TINY.columns), 101)))


@pytest.mark.parametrize("call_name", ["counts", "pixels"])
def test_a_fault_in_a_run_is_raised_with_its_cause(call_name):
    bus = FakeBus(TINY, most=3, break_after=4)
    value = (
        np.zeros((TINY.rows, TINY.columns), int) if call_name == "counts" else np.zeros((2, TINY.inputs), int)
    )
    host = Host(bus, TINY)
    with pytest.raises(HardwareFault) as raised:
        run(call(host, call_name, value))
    assert raised.value.causes == (Fault.STROBE_CAP,)
    assert FAULT_DOC[Fault.STROBE_CAP] in str(raised.value)
    with pytest.raises(HardwareFault):
        run(host.erase())
    run(host.clear_fault())
    run(host.erase())


def test_abort_latches_its_fault():
    host = Host(FakeBus(TINY), TINY)
    run(host.abort())
    assert run(host.faults()) == (Fault.ABORT,)
    with pytest.raises(HardwareFault, match="ABORT: the host aborted the run"):
        run(host.clear_memory())


def test_missing_results_are_noticed():
    bus = FakeBus(TINY)
    host = Host(bus, TINY)
    finish = bus._finish
    bus._finish = lambda: (finish(), bus._results.pop())
    with pytest.raises(HostError, match="1 results for 2 samples"):
        run(call(host, "labels", np.zeros(2, int)))


@pytest.mark.parametrize("params", INSTANCES.values(), ids=str)
def test_sample_words_have_the_layout_of_the_stream(params, seed):
    rng = np.random.default_rng(seed)
    pixels, labels = (
        rng.integers(0, 256, (2, params.inputs), dtype=np.uint8),
        rng.integers(0, params.classes, 2),
    )
    lanes, words = params.dac_load_lanes, []
    for sample, label in zip(pixels, labels, strict=True):
        padded = np.append(sample, np.zeros(params.row_words * lanes - params.inputs, np.uint8))
        for word in padded.reshape(params.row_words, lanes):
            words.append(pack(Pixels(params), {"pixels": word.tolist(), "label": int(label)}))
    assert list(sample_words(params, pixels, labels)) == words
