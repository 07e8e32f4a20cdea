"""`crosstrain fit`: from a table to a device file that the other commands take, and a plot."""

from dataclasses import replace
from pathlib import Path

import pytest

from spec.device_file import load_device
from spec.device_law import LAWS
from tests.device.measurement import measure, save
from tests.test_readme import PROGRAM, ROOT, commands

EXAMPLE = ROOT / "docs" / "examples" / "pulse_response.csv"


def test_the_command_of_the_readme_gives_a_device_and_a_plot(program, monkeypatch, tmp_path):
    """Its example is of the preset PCMO: eight cells, 2 % read noise, holes and outliers."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    (command,) = (c for c in commands(PROGRAM) if c[1] == "fit")
    outcome = program(*command[1:])
    assert outcome.status == 0, outcome.err
    assert all(kind in outcome.out for kind in LAWS) and "outliers" in outcome.out
    out = Path(command[command.index("--out") + 1])
    assert f"wrote {out} and {out.with_suffix('.png')}" in outcome.out
    spec, true = load_device(str(out)), load_device("PCMO")
    assert spec.g_max_uS == pytest.approx(true.g_max_uS, rel=0.06)
    assert spec.on_off == pytest.approx(true.on_off, rel=0.2)
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert spec.name in program("devices", out).out


def test_law_plot_and_names_are_chosen(program, tmp_path):
    true = replace(load_device("FeFET"), states_up=16, states_down=16)
    data = save(tmp_path / "small.csv", measure(true, cells=3, read=0.01))
    out, plot = tmp_path / "table.toml", tmp_path / "plots" / "table.svg"
    options = ("--law", "measured", "--cell-kind", "transistor", "--name", "mine", "--source", "a test")
    outcome = program("fit", data, *options, "--out", out, "--plot", plot)
    assert outcome.status == 0, outcome.err
    spec = load_device(str(out))
    assert (spec.name, spec.source, spec.law.kind, spec.cell) == ("mine", "a test", "measured", "transistor")
    assert "cell" not in spec.assumed and "<svg" in plot.read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("none.csv",), "none.csv: cannot be read: No such file"),
        ((EXAMPLE, "--law", "cubic"), "--law: 'cubic' is not one of linear, neurosim"),
        ((EXAMPLE, "--unit", "ohm"), "--unit: unknown unit 'ohm'"),
        (
            (EXAMPLE, "--pulse", "shots"),
            "--pulse: there is no column 'shots'; there are cell, polarity, pulse",
        ),
        ((EXAMPLE, "--out", "device.txt"), "--out: device.txt does not end in .toml"),
        ((EXAMPLE, "--plot", "plot.bmp"), "--plot: plot.bmp does not end in .png, .svg, .pdf"),
        ((EXAMPLE, "--cell-kind", "magnetic"), "--cell-kind: 'magnetic' is not one of resistive, transistor"),
    ],
)
def test_wrong_options_are_told_in_one_line(bad_input, monkeypatch, tmp_path, options, said):
    monkeypatch.chdir(tmp_path)
    assert said in bad_input("fit", *options)
    assert not list(tmp_path.iterdir())
