"""What pulses do beside their step: wear, disturb of half-selected cells, spread from strobe to strobe."""

import numpy as np
import pytest

from model.device.macro import strobe_pair
from spec.params import INSTANCES

DIGITS = INSTANCES["DIGITS"]
EVERY, NONE = np.ones(DIGITS.columns), np.zeros(DIGITS.columns)


def moves(macro, row, up, down, polarity=0):
    before = macro.conductances().astype(int)
    macro.strobe(row, up, down, polarity)
    return macro.conductances().astype(int) - before


def swing(macro, pulses):
    """Mean step of the first row's G+ for each of `pulses` pulses up and down in turn."""
    return np.array([moves(macro, 0, EVERY, NONE, n % 2)[0, :, 0] for n in range(pulses)])


def test_steps_shrink_linearly_with_the_pulses(make_macro):
    worn, new = make_macro("linear", endurance=1000.0, endurance_loss=0.8), make_macro("linear")
    shares = swing(worn, 900).astype(float)[::2] / swing(new, 900)[::2]
    n = np.arange(0, 900, 2)[:, None]
    assert abs(shares - (1 - 0.8 * n / 1000)).max() < 0.02  # steps of 235 codes, rounded by chance


def test_a_cell_at_its_end_stays_where_it_is(make_macro):
    macro = make_macro("linear", endurance=50.0)
    assert (swing(macro, 50) != 0).all()
    assert (swing(macro, 10) == 0).all()
    assert (macro.pulses()[0, :, 0] == 60).all()  # they are given all the same
    macro.strobe(0, EVERY, NONE, 0)
    held = macro.conductances()
    macro.erase()
    assert np.array_equal(macro.conductances(), held)


def test_an_erase_brings_back_what_still_moves(make_macro):
    macro = make_macro("linear", endurance=50.0, endurance_sigma=0.2)
    low = macro.image.section("low")[0]
    for _ in range(50):
        macro.strobe(0, EVERY, NONE, 0)
    before = macro.conductances()[0, :, 0]
    macro.erase()
    after = macro.conductances()[0, :, 0]
    assert 0 < (after == before).sum() < DIGITS.columns
    assert (after[after != before] == low).all()


def test_lives_are_log_normal_over_cells(make_macro):
    macro = make_macro("linear", endurance=100.0, endurance_sigma=0.3, endurance_loss=0.0)
    life = np.zeros((DIGITS.rows, DIGITS.columns, 2))
    for n in range(400):
        for row in range(DIGITS.rows):
            life[row] += moves(macro, row, EVERY, EVERY, n % 2)[row] != 0
    logs = np.log(life)
    assert logs.mean() == pytest.approx(np.log(100), abs=5 * 0.3 / life.size**0.5 + 0.005)
    assert logs.std() == pytest.approx(0.3, rel=0.05)


def test_the_range_shrinks_from_the_top(make_macro):
    macro = make_macro("linear", endurance=1000.0, endurance_loss=0.5)
    span, low = macro.image.section("span")[0], macro.image.section("low")[0]
    for _ in range(800):
        macro.strobe(0, EVERY, NONE, 0)
    kept = 1 - 0.5 * 799 / 1000
    assert abs(macro.conductances()[0, :, 0] - (low + span * kept)).max() < 2 + span / 65536


def test_half_selected_cells_move_by_their_share(make_macro):
    """The row and the selected lines, by `disturb` steps on average; nobody else."""
    share, pulses = 0.02, 400
    macro = make_macro("linear", disturb=share)
    states = np.full((DIGITS.rows, DIGITS.columns, 2), 30000)
    up = NONE.copy()
    up[[3, 8]] = 1
    total = np.zeros(states.shape)
    for n in range(pulses):
        if n % 20 == 0:
            macro.load(states)
        total += moves(macro, 5, up, NONE)
    step = macro.image.section("span")[0] / 256
    half = np.zeros(states.shape, bool)
    half[5], half[:, [3, 8], 0] = True, True
    selected = np.zeros(states.shape, bool)
    selected[5, [3, 8], 0] = True
    half &= ~selected
    assert (total[~half & ~selected] == 0).all()
    assert total[selected].mean() == pytest.approx(pulses * step, rel=0.01)
    # each hit is 1/16 step: a binomial of 400 x 190 trials with p = 0.32
    mean, error = pulses * share * step, step / 16 * (pulses * 0.32 * 0.68 / half.sum()) ** 0.5
    assert abs(total[half].mean() - mean) < 5 * error
    assert (moves(macro, 5, up, NONE, 1)[half] <= 0).all()  # in the strobe's direction


def test_disturb_of_less_than_a_code_acts_on_average(make_macro):
    macro = make_macro("linear", disturb=1e-4)
    total = sum(moves(macro, 0, EVERY, NONE)[1:, :, 0].sum() for _ in range(200))
    trials, step = 200 * (DIGITS.rows - 1) * DIGITS.columns, macro.image.section("span")[0] / 256
    error = step / 16 * (trials * 1.6e-3) ** 0.5
    assert abs(total - trials * 1e-4 * step) < 5 * error


def test_a_strobe_of_one_pair_disturbs_as_its_masks_do(make_macro):
    masked, paired = (make_macro("linear", disturb=1 / 16, write_sigma=0.1) for _ in range(2))
    up, down = (np.zeros(masked.params.columns, np.uint8) for _ in range(2))
    up[5] = 1
    for event in range(20):
        masked.strobe(3, up, down, 0)
        strobe_pair(paired.state, 3, 5, 1, 0, 0, event)
    assert np.array_equal(masked.conductances(), paired.conductances())


def test_stuck_cells_are_not_disturbed_and_reads_follow(make_macro):
    macro = make_macro("linear", disturb=1 / 16, stuck=0.3)
    held = macro.state.stuck == 1
    moved = moves(macro, 2, EVERY, NONE) != 0
    assert not moved[held].any()
    assert moved[~held & (np.arange(2) == 0)].mean() > 0.99
    states = macro.conductances().astype(int) >> (DIGITS.state_bits - DIGITS.read_bits)
    assert np.array_equal(macro.state.diff, states[..., 0] - states[..., 1])


def test_a_strobe_has_one_factor_for_all_its_cells(make_macro):
    sigma = 0.3
    macro = make_macro("linear", write_sigma=sigma)
    step, factors = macro.image.section("span")[0] / 256, []
    for row in range(DIGITS.rows):
        for polarity in (0, 1, 0):
            moved = abs(moves(macro, row, EVERY, EVERY, polarity)[row])
            assert moved.max() - moved.min() <= 1 or polarity  # a way back may end at the lowest state
            if polarity == 0:
                factors.append(moved.mean() / step)
    assert np.mean(factors) == pytest.approx(1.0, abs=5 * sigma / len(factors) ** 0.5)
    assert np.log(factors).std() == pytest.approx(sigma, rel=0.25)  # 130 strobes
