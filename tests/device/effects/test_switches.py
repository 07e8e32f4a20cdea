"""Effects that are off cost and change nothing; what is on draws the same bits again, on every macro of a grid."""

from dataclasses import fields, replace

import numpy as np
import pytest

from model.device.array import GoldenArray
from model.device.compile import compile_device
from model.system import GoldenController, parts, run
from model.training.hybrid import hybrid
from spec.device_file import NonIdealities, device_from_dict, dump_device, load_device
from spec.effects import DeviceEffects, ModelEffects, effects_of
from spec.errors import InputError
from spec.params import INSTANCES
from spec.params_file import read_toml
from tests.device.reference_macro import simple_image

TINY = INSTANCES["TINY"]
GRID = replace(TINY, name="GRID", rows=14, columns=7, macro_rows=4, macro_columns=2)
LEVELS = {
    "label_sigma": {"label_sigma": 0.5},
    "dac_inl": {"dac_inl": 2.0},
    "adc_inl": {"adc_inl": 2.0},
    "wire_ohm": {"wire_ohm": 20.0, "wire_refresh": 100.0},
    "drift_nu": {"drift_nu": 0.05, "drift_sigma": 0.3, "age_s": 1e6},
    "retention_s": {"retention_s": 1e7, "retention_sigma": 1.0, "shelf_s": 1e6},
    "endurance": {"endurance": 60.0, "endurance_sigma": 0.5},
    "disturb": {"disturb": 1e-3},
    "write_sigma": {"write_sigma": 0.3},
}


def image_of(**keys):
    spec = load_device("EpiRAM")
    return compile_device(spec, replace(spec.nonideal, **keys), TINY.state_bits, 3, 0.3, TINY.read_bits)


def left_by(job):
    """All that a hybrid run leaves: states, pulses, predictions."""
    controller = GoldenController(job.params, job.image)
    result = run(hybrid(controller, job))
    pulses = controller.array.pulses()
    return result.conductances, pulses, *(r.predictions for r in result.records.values())


def differ(one, other):
    return any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_every_effect_is_off_by_default():
    assert NonIdealities().model_only == NonIdealities.ideal().model_only == ()
    assert image_of().effects is None


def test_levels_of_what_is_off_change_nothing():
    quiet = {"wire_solver": "exact", "endurance_loss": 0.1, "age_s": 1e9, "retention_rest": 0.5}
    assert image_of(**quiet) == image_of()
    assert image_of(drift_nu=0.1, retention_s=1.0) == image_of()  # no time passes


def test_every_switch_is_told_by_its_key():
    for key, keys in LEVELS.items():
        assert image_of(**keys).effects.settings.model_only == (key,)


def test_what_is_read_is_what_was_written(tmp_path):
    keys = {k: v for level in LEVELS.values() for k, v in level.items()} | {"wire_solver": "exact"}
    spec = load_device("EpiRAM")
    spec = replace(spec, nonideal=replace(spec.nonideal, **keys))
    (tmp_path / "d.toml").write_text(dump_device(spec))
    assert device_from_dict(read_toml(tmp_path / "d.toml")) == spec


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("wire_solver", "guess", "nonideal.wire_solver: 'guess' is not one of ladder, exact"),
        ("disturb", 0.5, "nonideal.disturb: 0.5 is outside 0..0.0625"),
        ("drift_nu", -0.1, "nonideal.drift_nu: -0.1 is outside 0..1"),
    ],
)
def test_wrong_keys_are_told(key, value, message):
    with pytest.raises(InputError, match=message):
        replace(NonIdealities(), **{key: value})


def test_every_key_has_a_document():
    assert all(f.metadata["doc"] for f in fields(ModelEffects))


def test_kernels_with_all_effects_at_nothing_equal_those_without(make_small_job):
    """So what is off takes no part in the arithmetic of what is on."""
    job = make_small_job()
    nothing = DeviceEffects(effects_of(NonIdealities()), 1e-9)
    assert not differ(left_by(replace(job, image=replace(job.image, effects=nothing))), left_by(job))


@pytest.mark.parametrize("key", LEVELS)
def test_an_effect_changes_a_run_and_repeats_to_the_bit(make_small_job, key):
    job = make_small_job(**LEVELS[key])
    first = left_by(job)
    assert not differ(first, left_by(job))
    assert differ(first, left_by(make_small_job()))


def test_all_effects_work_together(make_small_job):
    job = make_small_job(**{k: v for level in LEVELS.values() for k, v in level.items()})
    assert not differ(left_by(job), left_by(job))


def test_each_macro_of_a_grid_has_draws_of_its_own():
    array = GoldenArray(GRID, image_of(label_sigma=1.0, adc_inl=1.0, dac_inl=1.0))
    first, second, *_ = (macro.state.effects for macro in array.macros)
    assert (first.traits != second.traits[:, : first.traits.shape[1]]).any()
    assert (array.state.effects.row_shape[0] != array.state.effects.row_shape[1]).any()


def test_a_grid_of_one_macro_is_that_macro():
    """Joined tables are the macro's own, through strobes, reads and time."""
    image = image_of(**{k: v for level in LEVELS.values() for k, v in level.items()})
    array = GoldenArray(TINY, image)
    (macro,) = array.macros
    rng = np.random.default_rng(0)
    for _ in range(30):
        array.strobe(int(rng.integers(TINY.rows)), rng.random(TINY.columns) < 0.5, np.zeros(TINY.columns), 0)
    assert np.array_equal(array.conductances(), macro.conductances())
    assert np.array_equal(array.pulses(), macro.pulses())
    assert array.worst_cell_pulses == macro.pulses().max() > 0


def test_pulses_are_counted_by_cell_whatever_gives_them(make_small_job):
    """Transfer and epoch, without any effect: counts of open loop and the strobes of the record."""
    job = make_small_job()
    controller = GoldenController(job.params, job.image)
    result = run(hybrid(controller, job))
    wanted = np.stack([np.maximum(job.counts, 0), np.maximum(-job.counts, 0)], axis=2)
    online = result.records["online"].strobes
    np.add.at(wanted[..., 0], online.row, online.up)
    np.add.at(wanted[..., 1], online.row, online.down)
    assert result.online_pulses[0] > 0
    assert np.array_equal(controller.array.pulses(), wanted)
    assert controller.array.worst_cell_pulses == wanted.max()


def test_a_snapshot_has_the_wear_of_its_cells():
    array = GoldenArray(GRID, image_of(endurance=20.0))
    every, none = np.ones(GRID.columns), np.zeros(GRID.columns)

    def swing():
        for n in range(12):
            array.strobe(3, every, none, n % 2)
        return array.conductances()

    swing()
    taken = array.conductances(), array.pulses(), array.events
    worn = swing()
    array.load(*taken[:2])
    array.reset(taken[2])
    assert np.array_equal(swing(), worn)
    array.load(taken[0])
    assert array.worst_cell_pulses == 0
    array.reset(taken[2])
    assert not np.array_equal(swing(), worn)  # of new cells
    array.reset()
    assert array.worst_cell_pulses == 0 and not array.events.any()


def test_runs_are_cut_where_wires_are_refreshed():
    assert parts(5, 2, 0) == [range(0, 2), range(2, 4), range(4, 5)]
    assert parts(10, 4, 6) == [range(0, 4), range(4, 6), range(6, 10)]
    assert parts(0, 4, 6) == []


def test_images_of_other_packages_have_no_effects():
    assert simple_image().effects is None
