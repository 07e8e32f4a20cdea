"""Tables of measurements: what is understood of their heads, units and signs, and what every wrong one is told."""

import numpy as np
import pytest

from model.device.fit.data import DOWN, UP, Jumps, Response
from model.device.fit.table import Columns, read_table
from spec.errors import InputError

N = range(6)


def saved(tmp_path, text: str):
    path = tmp_path / "m.csv"
    path.write_text(text, encoding="utf-8")
    return path


def rows(*lines: str) -> str:
    return "\n".join(lines) + "\n"


UP_ROWS = [f"{n},{n + 1}" for n in N]


def read(tmp_path, text: str, **options) -> Response:
    found = read_table(saved(tmp_path, text), Columns(**options))
    assert isinstance(found, Response)
    return found


@pytest.mark.parametrize(
    ("head", "factor"),
    [
        ("n,G_uS", 1),
        ("Pulse number,Conductance (nS)", 1e-3),
        ("pulse,g [S]", 1e6),
        ("pulses,G/mS", 1e3),
        ("#,x", 1),
    ],
)
def test_columns_and_units_are_read_off_the_head(tmp_path, head, factor):
    options = {"unit": "uS", "names": {"pulse": "p", "conductance": "x"}} if head == "#,x" else {}
    head = head.replace("#", "p")
    (sweep,) = read(tmp_path, rows("# a comment", head, *UP_ROWS), **options).sweeps
    np.testing.assert_allclose(sweep.g, factor * np.arange(1, 7))
    assert sweep.polarity == UP and list(sweep.pulses) == list(N)


def test_currents_are_divided_by_the_read_voltage(tmp_path):
    text = rows("n,I (µA)", *UP_ROWS)
    np.testing.assert_allclose(read(tmp_path, text, v_read_V=0.5).sweeps[0].g, 2 * np.arange(1, 7))
    with pytest.raises(InputError, match=r"m\.csv: column I \(µA\): a current: --v-read"):
        read(tmp_path, text)


def test_semicolons_take_decimal_commas_and_blanks_are_separators(tmp_path):
    (sweep,) = read(tmp_path, rows("n;G (uS)", *(f"{n};{n},5" for n in N))).sweeps
    np.testing.assert_allclose(sweep.g, np.arange(6) + 0.5)
    assert len(read(tmp_path, rows("n G_uS", *(f"{n}   {n}" for n in N))).sweeps) == 1


@pytest.mark.parametrize(
    ("up", "down"), [("+1", "-1"), ("LTP", "LTD"), ("set", "reset"), ("3.2", "-2.8"), ("up", "down")]
)
def test_polarities(tmp_path, up, down):
    lines = [f"{n},{up},{n + 1}" for n in N] + [f"{n},{down},{6 - n}" for n in N]
    sweeps = read(tmp_path, rows("n,polarity,G_uS", *lines)).sweeps
    assert [s.polarity for s in sweeps] == [UP, DOWN]


def test_without_polarities_the_trend_says_which(tmp_path):
    lines = [f"{n},{n + 1}" for n in N] + [f"{n},{6 - n}" for n in N]
    found = read(tmp_path, rows("n,G_uS", *lines))
    assert [s.polarity for s in found.sweeps] == [UP, DOWN] and "trend" in found.notes[0]


def test_cells_and_cycles_are_told_apart_and_holes_are_noted(tmp_path):
    lines = [f"{c},{k},{n},{'' if n == 3 else n}" for c in "ab" for k in (1, 2) for n in range(8)]
    found = read(tmp_path, rows("device,cycle,n,G_uS", *lines))
    assert [s.cell for s in found.sweeps] == ["a", "a", "b", "b"] and found.cells == ("a", "b")
    assert all(list(s.pulses) == [0, 1, 2, 4, 5, 6, 7] for s in found.sweeps)
    assert "4 of 32 rows have no value" in found.notes


def test_pulses_may_be_numbered_on_through_both_directions(tmp_path):
    lines = [f"{n},+,{n}" for n in range(6)] + [f"{n},-,{11 - n}" for n in range(6, 12)]
    up, down = read(tmp_path, rows("n,polarity,G_uS", *lines)).sweeps
    assert list(up.pulses) == [0, 1, 2, 3, 4, 5] and list(down.pulses) == [0, 1, 2, 3, 4, 5, 6]
    assert down.g[0] == up.g[-1] == 5


def test_repeated_readings_stay_in_one_sweep(tmp_path):
    (sweep,) = read(tmp_path, rows("n,G_uS", *(f"{n // 2},{n}" for n in range(12)))).sweeps
    assert list(sweep.pulses) == [n // 2 for n in range(12)]


def test_steps_against_conductance_are_a_table_of_steps(tmp_path):
    path = saved(
        tmp_path, rows("G (nS),step up (nS),step down (nS)", *(f"{n},{9 - n},{-n}" for n in range(1, 7)))
    )
    found = read_table(path)
    assert isinstance(found, Jumps)
    np.testing.assert_allclose(found.g[found.polarity == UP], 1e-3 * np.arange(1, 7))
    np.testing.assert_allclose(found.step[found.polarity == UP], 1e-3 * (9 - np.arange(1, 7)))
    np.testing.assert_allclose(found.step[found.polarity == DOWN], 1e-3 * np.arange(1, 7))


WRONG = [
    ("", {}, "m.csv: is empty"),
    (rows("1,2", "2,3"), {}, "m.csv: line 1 does not name the columns"),
    (
        rows("n,x", *UP_ROWS),
        {},
        "m.csv: column conductance: is missing; there are n, x (name it with --conductance)",
    ),
    (
        rows("x,G_uS", *UP_ROWS),
        {},
        "m.csv: column pulse: is missing; there are x, G_uS (name it with --pulse)",
    ),
    (
        rows("n,G_uS", *UP_ROWS),
        {"names": {"cell": "die"}},
        "m.csv: --cell: there is no column 'die'; there are n, G_uS",
    ),
    (
        rows("n,G", *UP_ROWS),
        {},
        "m.csv: column G: its unit is not known: write 'G (uS)' or use --unit (S, mS",
    ),
    (rows("n,G", *UP_ROWS), {"unit": "ohm"}, "--unit: unknown unit 'ohm'; there are S, mS, uS, nS, pS, A"),
    (rows("n,G_uS", "0,1", "1,abc", *UP_ROWS), {}, "m.csv:3: G_uS: 'abc' is not a number"),
    (rows("n,G_uS", "0,1", "# why", "1,inf"), {}, "m.csv:4: G_uS: 'inf' is not a number"),
    (rows("n,G_uS", "0,1", "1.5,2"), {}, "m.csv:3: n: '1.5' is not a count of pulses"),
    (rows("n,G_uS", "0,1", "1,2,3"), {}, "m.csv:3: 3 columns; the head has 2"),
    (rows("n,polarity,G_uS", "0,+,1", "1,0,2"), {}, "m.csv:3: polarity: '0' is neither up nor down"),
    (rows("n,polarity,G_uS", *(f"{n},,{n}" for n in N)), {}, "m.csv: column polarity: no row has one"),
    (
        rows("n,G_uS", "0,1", "1,2", "2,3"),
        {},
        "m.csv: too few points: no sweep has more than 3 pulse numbers, 5 are",
    ),
    (rows("n,G_uS"), {}, "m.csv: too few points"),
    (rows("G_uS,step_up", "1,2", "2,1"), {}, "m.csv: too few points: 5 conductances are needed"),
]


@pytest.mark.parametrize(("text", "options", "message"), WRONG)
def test_wrong_tables_are_told_in_one_line(tmp_path, monkeypatch, text, options, message):
    saved(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        read_table("m.csv", Columns(**options))  # type: ignore[arg-type]
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: cannot be read: No such file"):
        read_table(tmp_path / "none.csv")
