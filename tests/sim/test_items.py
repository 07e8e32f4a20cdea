"""Items of the stages in numbers, and their digests."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from model.record import RunRecord, Strobes
from model.system import NONE, run
from sim.fast.digest import Expected, GoldenDigests, digest, digests, first_suspect, strobe_digests
from sim.fast.replay import ReplayPair
from sim.items import column_order, item_forms, packed, unpacked
from sim.scoreboard import Suspect
from spec.numerics import MASK32, draw
from spec.params import INSTANCES

TINY = INSTANCES["TINY"]
GRID = replace(TINY, name="GRID", macro_rows=8, macro_columns=4)


@pytest.mark.parametrize("columns", [1, 6, 31, 32, 33, 256])
def test_masks_as_words_are_the_masks(columns):
    rng = np.random.default_rng(columns)
    items = np.column_stack([rng.integers(0, 1000, 20), rng.integers(0, 2, (20, 2 * columns + 1))])
    words = packed(items, columns)
    assert words.shape == (20, 2 + 2 * -(-columns // 32))
    assert np.array_equal(unpacked(words, columns), items)


def test_forms_have_the_elements_of_the_golden_model():
    expected = {"codes": TINY.rows, "conversion": 6, "adc": 6, "hidden": 6, "logits": 3, "verdict": 4, "delta": 6,
                "entry": 3, "strobe": 4}  # fmt: skip
    assert {name: len(form.order) for name, form in item_forms(TINY).items()} == expected
    forms = item_forms(GRID)
    assert (len(forms["conversion"].order), len(forms["column"].order)) == (2 * GRID.columns, GRID.columns)
    assert all(form.order.max() < form.collected for form in forms.values())


def test_columns_are_found_in_groups_of_several_macros():
    # two macros side by side of four and two columns, two channels each: the second has none in the second group
    assert GRID.group_columns(1) == (2, 3, None, None)
    assert column_order(GRID).tolist() == [0, 1, 4, 5, 2, 3]
    assert column_order(GRID, 2).tolist() == [0, 1, 8, 9, 2, 3, 4, 5, 12, 13, 6, 7]


def test_digest_knows_values_and_places():
    item = np.array([5, -5, 0, 7], np.int32)
    assert digest(item) == sum(draw(int(value) & MASK32, place) for place, value in enumerate(item)) & MASK32
    others = [item[::-1], item + np.eye(4, dtype=np.int32)[2], item[:3], np.append(item, 0)]
    assert len({digest(item), *(digest(other.astype(np.int32)) for other in others)}) == 5
    assert digests(np.stack([item, item[::-1]])).tolist() == [digest(item), digest(item[::-1].copy())]


def test_digest_of_many_random_items_is_never_the_same():
    items = np.random.default_rng(1).integers(-2, 3, (2000, 16)).astype(np.int32)
    assert len(set(digests(items).tolist())) == len({tuple(item) for item in items.tolist()})


def record(strobes: Strobes, upper: Strobes | None = None) -> RunRecord:
    none = np.zeros(0, np.int32)
    return RunRecord(none, none, strobes, upper=upper)


def expected() -> Expected:
    """Three samples, of which the last two update, with one row of pulses each."""
    verdicts = np.array([[0, 1, 2, 1], [1, 1, 2, 2], [1, 0, 2, 2]], np.int32)
    entries = np.array([[4, *[1] * 6, *[0] * 6], [2, *[0] * 6, *[1] * 6]], np.int32)
    golden = GoldenDigests(TINY)
    for part in (slice(0, 2), slice(2, 3)):
        updates = verdicts[part, 0] == 1
        golden(
            {
                "adc": list(verdicts[part] + 7),
                "verdict": list(verdicts[part]),
                "delta": list(verdicts[part][updates] - 9),
                "entry": list(entries[:1] if part.start == 0 else entries[1:]),
                "entry_sample": np.flatnonzero(updates),
            }
        )
    rows, masks = np.array([4, 2], np.int32), np.eye(2, TINY.columns, dtype=np.uint8)
    return golden.finish(record(Strobes(rows, masks, masks, np.zeros(2, np.uint8))))


def test_equal_digests_are_not_suspect():
    want = expected()
    assert len(want.digests["verdict"]) == 3
    assert first_suspect(1, "run", want, dict(want.digests)) is None


@pytest.mark.parametrize(
    ("stage", "item", "sample"),
    [("adc", 2, 2), ("delta", 1, 2), ("entry", 0, 1), ("strobe", 1, 2)],
)
def test_suspect_is_the_first_stage_of_the_first_sample(stage, item, sample):
    want = expected()
    got = {name: values.copy() for name, values in want.digests.items()}
    got[stage][item] ^= 1
    if sample < 2:
        got["adc"][2] ^= 1  # later, hence no matter
    found = first_suspect(3, "run 1 (train)", want, got)
    assert (found.number, found.stage, found.item, found.sample) == (3, stage, item, sample)
    assert found.items == (1 if sample == 2 else 2)


def test_missing_and_additional_items_are_suspect():
    want = expected()
    fewer = want.digests | {"entry": want.digests["entry"][:1]}
    assert str(first_suspect(1, "run", want, fewer)) == (
        "entry (block update_rule), sample 2, item 1 has another digest"
    )
    more = want.digests | {"strobe": np.append(want.digests["strobe"], np.uint32(1))}
    found = first_suspect(1, "run", want, more)
    assert (found.stage, found.item, found.sample, found.items) == ("strobe", 2, None, 1)


def test_strobes_that_are_not_the_entries_have_no_sample():
    masks = np.zeros((1, TINY.columns), np.uint8)
    strobes = Strobes(np.zeros(1, np.int32), masks, masks, np.zeros(1, np.uint8))
    found = GoldenDigests(TINY).finish(record(strobes))
    assert found.digests["strobe"].tolist() == strobe_digests(strobes).tolist()
    assert "strobe" not in found.samples


def test_replay_tells_an_item_that_nobody_expects():
    kept = {"strobe": [np.array([3, *[1] * 6, *[0] * 6, 0])]}
    bench = SimpleNamespace(harness=SimpleNamespace(kept=lambda: kept))
    where = Suspect(1, "transfer", "strobe", "pulse_scheduler", 2, None, 1)
    pair = ReplayPair(SimpleNamespace(params=TINY), bench, where)
    masks = np.zeros((2, TINY.columns), np.uint8)
    strobes = Strobes(np.zeros(2, np.int32), masks, masks, np.zeros(2, np.uint8))

    async def transfer():
        return RunRecord(NONE, NONE, strobes)

    run(pair._golden("transfer", transfer()))
    pair._kept = pair._numbers(pair._running[1])
    pair._compare_items()
    assert str(pair.difference) == "strobe (block pulse_scheduler), item 2: item 2 came, none was expected"


def test_items_of_an_upper_array_have_masks_of_a_bit_for_each_class():
    params = replace(TINY, upper_layer="analog", columns=40, classes=5)
    forms = item_forms(params)
    assert (len(forms["entry"].order), len(forms["upper_entry"].order)) == (5, 3)
    golden, row = GoldenDigests(params), np.array([3, *[1, 0, 0, 0, 1], *[0, 1, 0, 0, 0]], np.int32)
    golden({"verdict": [np.ones(4, np.int32)] * 2, "upper_entry": [row], "upper_entry_sample": [1]})
    masks = row[None, 1:6].astype(np.uint8), row[None, 6:].astype(np.uint8)
    pulses = Strobes(row[:1], *masks, np.zeros(1, np.uint8))
    found = golden.finish(record(Strobes.empty(params.columns), pulses))
    assert found.digests["upper_entry"].tolist() == [digest(np.array([3, 0b10001, 0b00010], np.int32))]
    assert found.digests["upper_strobe"].tolist() == [digest(np.array([3, 0b10001, 0b00010, 0], np.int32))]
    assert found.samples["upper_strobe"].tolist() == found.samples["upper_entry"].tolist() == [1]
