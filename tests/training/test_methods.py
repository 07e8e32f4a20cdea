"""The methods of a study: each does what its line says, and one does not disturb the next."""

from dataclasses import replace

import numpy as np
import pytest

from model.controller.between_layers import carry_back
from model.study import methods, points
from model.study.coarse import WIDTHS, coarse_transfer, pulses_of_width
from model.study.controls import METHODS
from model.study.costs import CYCLE_NS, PHASES, cost_of
from model.study.methods import ITERATIONS, TRIES
from model.study.points import figures
from model.study.sparse import QUIET
from model.study.teacher import SHARES, SKIPS
from model.study.variants import ERROR_BITS, output_error, wanted_pulses
from model.system import GoldenController, run
from model.training.hybrid import code_step, hybrid
from model.training.prepare import left_out, shares
from model.training.trial import Trial
from model.training.write_costs import load_loops, tune_settings
from spec.choices import CHANCE_RULES
from spec.registers import Mode, reset_value

TRAINED = {"threshold": 1 << 15, "margin": 20.0}
VERIFIED = {"tolerance": 0.02, "averages": 1}
TUNED = ("tuned online", "tuned online capped")
INHERITED = {"hybrid accumulate": TRAINED, "verify pair": VERIFIED,
             "hybrid teacher coarse": {"threshold": 1 << 15, "quiet": QUIET[-1], "share": 0.25}}  # fmt: skip
OTHERS = {"last layer": {"rate": 3e-3}, "hybrid + last layer": TRAINED | {"rate": 3e-3}, "error softmax": {"threshold": 1 << 15, "unit": 1 / 8},
          "error squared": {"threshold": 1 << 15, "unit": 1.0}, "mixed precision": {"threshold": 1 << 15, "unit": 1 / 8},
          "hybrid counter": {"threshold": 4, "margin": 20.0}, "hybrid manhattan": {"threshold": 16, "margin": 20.0},
          "hybrid stochastic": {"threshold": 16, "margin": 20.0},
          "hybrid teacher counter": {"threshold": 4, "x": 192, "delta": 1 / 8},
          "hybrid teacher manhattan": {"threshold": 64, "x": 192, "delta": 1 / 8},
          "hybrid teacher sparse": INHERITED["hybrid teacher coarse"] | {"skip": SKIPS[0]}}  # fmt: skip


def settings_of(name: str, run) -> dict:
    if name in OTHERS:
        return OTHERS[name]
    candidates = METHODS[name].candidates(METHODS[name].hardware(run), 1079)
    first = {"tolerance": VERIFIED, "threshold": TRAINED}
    chosen = next((value for key, value in first.items() if key in candidates[0]), {})
    inherited = INHERITED.get(METHODS[name].settings_of, {})
    return inherited | candidates[0] | chosen


@pytest.fixture(scope="module")
def trials(digits_run, digits, net):
    """One trial for each hardware that the methods need."""
    made = {}

    def trial(name: str) -> Trial:
        method = METHODS[name]
        run = method.hardware(digits_run)
        start = method.network(run, 1) if method.network else net
        key = repr(run), method.network
        if key not in made:
            made[key] = Trial(run, digits, start, 1, timed=True)
        return made[key]

    return trial


@pytest.fixture(scope="module")
def outcomes(trials, digits_run):
    return {name: METHODS[name].measure(trials(name), settings_of(name, digits_run)) for name in METHODS}


def test_a_method_gives_the_same_after_all_others(outcomes, trials, digits_run):
    for name in METHODS:
        assert METHODS[name].measure(trials(name), settings_of(name, digits_run)) == outcomes[name], name


def test_own_candidates_come_on_top_of_settings_that_are_taken_over(monkeypatch):
    monkeypatch.setattr(points, "tried", lambda method, trial, candidates: {"candidates": candidates})
    taken = INHERITED["hybrid teacher coarse"]
    point = {"run": {"data": "digits"}, "net": 1, "seed": 1, "split": "validation", "settings": taken}
    found = points.choose(point | {"method": "hybrid teacher sparse"})["candidates"]
    assert {settings["share"] for settings in found} == {share / 4 for share in SHARES}
    assert {settings["threshold"] for settings in found} == {taken["threshold"]}


def test_hybrid_is_the_method_itself(digits_run, digits, net):
    """Without read noise: the whole method reads the test samples before its epoch, too."""
    quiet = replace(digits_run, nonideal=replace(digits_run.nonideal, read_sigma=0.0))
    trial = Trial(quiet, digits, net, 1, timed=True)
    outcome = METHODS["hybrid accumulate"].measure(trial, TRAINED)
    job = trial.job_with("accumulate", *TRAINED.values())
    whole = run(hybrid(GoldenController(job.params, job.image, timed=True), job))
    assert outcome.accuracy == whole.hybrid_accuracy
    assert METHODS["open loop"].measure(trial, {}).accuracy == whole.open_loop_accuracy
    assert outcome.phases["online"] == whole.counters["online"]
    assert outcome.phases["transfer"] == whole.counters["transfer"]


def test_order_of_accuracies(outcomes):
    accuracy = {name: outcome.accuracy for name, outcome in outcomes.items()}
    trained = [
        name
        for name in METHODS
        if name.startswith(("hybrid", "verify", "error", "pair", "momentum", "mixed"))
    ]
    for name in (*trained, "last layer", "bias row", *TUNED):
        assert accuracy["open loop"] < accuracy[name] < accuracy["software"] + 0.005, name
    assert accuracy["analog open loop"] < min(
        accuracy[f"analog {layers}"] for layers in ("first", "last", "both")
    )
    assert accuracy["shuffled labels"] < accuracy["open loop"]
    assert 0.2 < accuracy["from scratch"] < accuracy["open loop"]


def test_only_verify_and_tuned_training_read_cells(outcomes):
    reading = {
        n for n, o in outcomes.items() if any(phase.get("VERIFY_READS", 0) for phase in o.phases.values())
    }
    assert reading == {name for name in METHODS if "verify" in name} | set(TUNED)


def test_a_capped_update_has_that_many_pulses_and_readings_at_most(outcomes, trials, digits_run):
    inherited = settings_of("tuned online capped", digits_run)
    found = {None: outcomes["tuned online"]}
    for cap in ITERATIONS[0], ITERATIONS[-1]:
        settings = inherited | {"iterations": cap}
        found[cap] = METHODS["tuned online capped"].measure(trials("tuned online capped"), settings)
    online = {cap: outcome.phases["online"] for cap, outcome in found.items()}
    pulses = {cap: counters["PULSES_UP"] + counters["PULSES_DOWN"] for cap, counters in online.items()}
    assert pulses[1] < pulses[10] <= pulses[None]
    assert online[1]["VERIFY_READS"] < online[10]["VERIFY_READS"] <= online[None]["VERIFY_READS"]
    tuned = online[1]["VERIFY_READS"] - pulses[1]
    assert pulses[1] <= tuned, "more than one pulse for a pair that was read before the first"


def test_cycles_are_known_of_what_the_hardware_does(outcomes, trials):
    for name, outcome in outcomes.items():
        counted = all("CYCLES" in phase for phase in outcome.phases.values())
        # Of coarse pulses the controller's part is hardware.
        of_model = METHODS[name].model_only and not name.endswith(("coarse", "teacher sparse"))
        assert counted is not (of_model or trials(name).job.params.analog_upper), name


def test_the_array_waits_for_its_controller_in_a_part_of_the_cycles(outcomes, trials, digits_run):
    for name, outcome in outcomes.items():
        for phase in PHASES if outcome.phases else ():
            params = trials(name).job.params
            cost = cost_of(params, digits_run.device, figures(outcome, params), phase)
            if cost.cycles is None:
                assert cost.waiting is cost.time_ms is None and cost.array_ms is not None, (name, phase)
            else:
                assert 0 <= cost.waiting <= cost.cycles, (name, phase)
                waited_ms = cost.waiting * CYCLE_NS * 1e-6
                assert cost.time_ms == pytest.approx(cost.array_ms + waited_ms), (name, phase)


def test_rules_without_memory_use_none(outcomes, digits_run):
    without = {
        name for name, outcome in outcomes.items() if outcome.memory_words == 0 and "online" in outcome.phases
    }
    assert without == {"last layer", "hybrid teacher manhattan", *(f"hybrid {rule}" for rule in CHANCE_RULES)}
    assert {name for name in without if METHODS[name].bits(digits_run)} == set()
    assert METHODS["hybrid counter"].bits(digits_run) == digits_run.params.counter_bits


def test_bias_row_moves_nothing_else(trials):
    trial = trials("bias row")
    trial.transferred()
    before, stuck = trial.ctl.array.conductances(), trial.ctl.array.state.stuck.copy()
    outcome = METHODS["bias row"].measure(trial, TRAINED)
    after = trial.ctl.array.conductances()
    assert np.array_equal(before[:-1], after[:-1]) and not np.array_equal(before[-1], after[-1])
    assert np.array_equal(trial.ctl.array.state.stuck, stuck)
    online = outcome.phases["online"]
    assert 0 < online["STROBES"] < online["PULSES_UP"] + online["PULSES_DOWN"] < 10 * online["STROBES"]


def test_bias_row_of_a_grid_moves_nothing_else(digits_run, digits, net):
    params = replace(digits_run.params, macro_rows=40, macro_columns=20)
    trial = Trial(replace(digits_run, params=params), digits, net, 1)
    trial.transferred()
    before = trial.ctl.array.conductances()
    METHODS["bias row"].measure(trial, TRAINED)
    after = trial.ctl.array.conductances()
    assert np.array_equal(before[:-1], after[:-1]) and not np.array_equal(before[-1], after[-1])


def test_a_sparse_transfer_writes_large_weights_only(trials):
    trial, skip = trials("hybrid sparse"), 0.4
    small = np.abs(shares(trial.run, trial.net)) < skip
    METHODS["hybrid sparse"].measure(trial, TRAINED | {"skip": skip})
    sparse = trial.start(("open_loop", skip, 0.0), lambda ctl: pytest.fail("was not kept")).pulses
    full = trial.transferred().pulses
    assert 0.5 < small.mean() < 1 and full[small].any()
    assert not sparse[small].any() and np.array_equal(sparse[~small], full[~small])


def test_skipped_rows_are_those_with_least_of_the_input(trials):
    trial, quiet = trials("hybrid skipped rows"), 0.05
    METHODS["hybrid skipped rows"].measure(trial, TRAINED | {"skip": 0.0, "quiet": quiet})
    sparse = trial.start(("open_loop", 0.0, quiet), lambda ctl: pytest.fail("was not kept")).pulses
    full = trial.transferred().pulses
    energy = (trial.job.train_pixels.astype(float) ** 2).sum(axis=0)
    skipped = ~sparse.any(axis=(1, 2))[:-1] & full.any(axis=(1, 2))[:-1]
    written = sparse.any(axis=(1, 2))[:-1]
    assert np.array_equal(sparse[:-1][written], full[:-1][written]) and sparse[-1].any()
    assert skipped.any() and energy[~written].max() <= energy[written].min()
    next_one = energy[~written].sum() + energy[written].min()
    assert energy[~written].sum() <= quiet * energy.sum() < next_one


def test_a_full_transfer_leaves_no_weight_out(digits_run, net, digits):
    assert not left_out(digits_run, net, digits.train.pixels).any()


def test_a_sparse_transfer_that_is_verified_takes_fewer_pulses(trials):
    trial = trials("verify pair sparse")
    sums = [
        METHODS[name].measure(trial, VERIFIED | more).phases["transfer"]
        for name, more in (("verify pair", {}), ("verify pair sparse", {"skip": 0.4}))
    ]
    whole, sparse = (phase["PULSES_UP"] + phase["PULSES_DOWN"] for phase in sums)
    assert sparse < 0.8 * whole


def test_a_cell_has_the_widths_of_its_pulses():
    counts = np.array([[0, 1, -7, 100, -33]])
    of_width = {width: pulses_of_width(counts, width) for width in WIDTHS}
    assert sum(width * pulses for width, pulses in of_width.items()).tolist() == counts.tolist()
    assert of_width[32].tolist() == [[0, 0, 0, 3, -1]] and of_width[4].tolist() == [[0, 0, -1, 1, 0]]


def test_a_coarse_transfer_moves_cells_as_far_by_fewer_pulses(ideal_run, digits, net):
    trial = Trial(ideal_run, digits, net, 1)
    fine = trial.transferred()
    coarse = trial.start("coarse", lambda ctl: coarse_transfer(ctl, trial.job.counts))
    assert np.array_equal(coarse.pulses, fine.pulses)  # in widths of one
    moved = [start.arrays[0][0].astype(int) for start in (fine, coarse)]
    assert abs(moved[0] - moved[1]).max() < 0.02 * moved[0].max() and not np.array_equal(
        *moved
    )  # other draws
    counts, used = np.abs(trial.job.counts), coarse.phases["transfer"]
    every = [(counts // 32).sum(), *((counts >> bit & 1).sum() for bit in range(5))]
    slots = [(counts // 32).max(axis=1).sum(), *((counts >> bit & 1).max(axis=1).sum() for bit in range(5))]
    assert used["PULSES_UP"] + used["PULSES_DOWN"] == sum(every) < counts.sum() / 2
    assert used["STROBES"] == sum(slots) < fine.phases["transfer"]["STROBES"]
    assert used["WIDE_PULSES"] == counts.sum() - sum(every)
    assert used["WIDE_STROBES"] == 32 * slots[0] + sum(s << bit for bit, s in enumerate(slots[1:])) - sum(
        slots
    )
    assert trial.ctl.array.pulse_width == 1 and trial.ctl.registers["PULSE"] == reset_value("PULSE")


def test_program_verify_after_an_open_loop_transfer_has_less_to_do(trials):
    trial = trials("verify pair")
    alone, after = (
        METHODS[name].measure(trial, VERIFIED) for name in ("verify pair", "open loop + verify pair")
    )
    one, other = (outcome.phases["transfer"] for outcome in (alone, after))
    assert other["STROBES"] < one["STROBES"] and other["VERIFY_READS"] < one["VERIFY_READS"]
    assert METHODS["open loop"].measure(trial, {}).accuracy < after.accuracy


def test_candidates_are_few_and_differ(digits_run):
    for name, method in METHODS.items():
        candidates = method.candidates(method.hardware(digits_run), 1079)
        assert 1 <= len(candidates) <= TRIES, name
        assert all(one != other for k, one in enumerate(candidates) for other in candidates[:k])


def test_thresholds_grow_with_the_step_and_the_samples(digits_run):
    def tried(rule: str, states: int, samples: int) -> list[int]:
        run = METHODS[f"hybrid {rule}"].hardware(digits_run)
        device = replace(run.device, states_up=states)
        return methods.thresholds(replace(run, device=device), rule, 4, samples)

    assert tried("accumulate", 64, 1000) == [
        1 << 14,
        round(2**14 * 2 ** (5 / 3)),
        round(2**14 * 2 ** (10 / 3)),
        1 << 19,
    ]
    assert tried("accumulate", 128, 4000) == tried("accumulate", 64, 1000)
    assert tried("accumulate", 4, 50_000) == [1 << k for k in range(16, 20)]  # three octaves in any case
    assert tried("counter", 64, 1000) == [2, 4, 8, 16]
    assert tried("manhattan", 64, 1000) == [2, 1 << 4, 1 << 8, 1 << 11]


@pytest.mark.parametrize("mode", [Mode.TRAIN, Mode.TUNE])
def test_a_tally_is_the_sum_of_the_strobes(trials, mode):
    trial = trials("hybrid accumulate")
    job, found = trial.job_with("accumulate", *TRAINED.values()), []
    for tally in (False, True):
        trial.transferred()
        run(trial.ctl.clear_counters())
        upper = job.upper(code_step(trial.ctl.registers))
        loop, step = tune_settings(trial.run)
        run(load_loops(trial.ctl, loop))
        run(trial.ctl.configure(**job.settings(upper), TUNE_UP=step, TUNE_DOWN=step))
        record = run(trial.ctl.run(mode, job.train_pixels, job.train_labels, tally=tally))
        found.append((record, run(trial.ctl.counters())))
    (kept, counters), (tallied, counted) = found
    assert counters == counted and len(tallied.strobes) == 0 < len(kept.strobes)
    for row in range(job.params.rows):
        own = kept.strobes.row == row
        wanted = own.sum(), kept.strobes.up[own].sum(), kept.strobes.down[own].sum()
        assert wanted == tuple(
            total[row] for total in (tallied.tally.strobes, tallied.tally.up, tallied.tally.down)
        )


def test_output_errors():
    error = np.zeros(3, np.int32)
    output_error(np.array([40, 40, -10_000], np.int32), 0, 10.0, 1, error)
    assert error.tolist() == [64, -64, 0]  # half a probability each
    output_error(np.array([5, 20, -7], np.int32), 0, 10.0, 2, error)
    assert error.tolist() == [64, -128, 0]  # outputs 0.5, 1 and 0


def test_errors_go_back_through_the_digital_weights():
    weights = np.array([[100, -50], [100, -50], [127, -127], [9, 9]], np.int32)
    error = np.array([1 << ERROR_BITS, -(1 << ERROR_BITS)], np.int32)
    delta = carry_back(weights, np.array([5, 0, 5], np.int32), error, ERROR_BITS, 8, 8)
    assert delta.tolist() == [127, 0, 127]  # saturated; a unit at 0 has none
    delta = carry_back(weights, np.array([5, 127, 5], np.int32), error // 2, ERROR_BITS, 8, 8)
    assert delta.tolist() == [75, 0, 127]


@pytest.mark.parametrize(("kind", "pulses", "memory"), [(0, 1, 250), (1, 1, 229), (2, 3, 50)])
def test_memories_of_variants(kind, pulses, memory):
    row, given = np.array([250, -250], np.int32), np.zeros(2, np.int32)
    assert wanted_pulses(row, 10, np.array([10, 0], np.int32), 100, kind, 1 << 15, given) == pulses
    assert given.tolist() == [pulses, 0]
    assert row.tolist() == [memory, -250]
