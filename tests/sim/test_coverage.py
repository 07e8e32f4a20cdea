"""Bins of functional coverage: their names, what a run hits, how runs are merged."""

import json
from collections import Counter

import numpy as np
import pytest

from crosstrain.cli import main
from hw.conditions import CONDITIONS
from model.system import GoldenController
from model.system import run as golden
from sim.coverage import BINS, UNREACHABLE, conditions_seen, hit, merged, of_run, save
from sim.stimulus import exercise, make_stimulus
from spec.choices import ENCODINGS, RULES
from spec.device_file import load_device
from spec.params import INSTANCES
from spec.registers import Fault, Mode


def test_modes_rules_encodings_and_faults_have_their_bins():
    wanted = [f"mode {mode.name}" for mode in Mode] + [f"rule {rule}" for rule in RULES]
    wanted += [f"encoding {encoding}" for encoding in ENCODINGS]
    assert set(wanted) <= set(BINS)
    assert {f"fault {fault.name}" for fault in Fault} <= set(BINS) | set(UNREACHABLE)
    assert set(UNREACHABLE) <= set(CONDITIONS) and not set(UNREACHABLE) & set(BINS)


def test_each_condition_has_its_bit():
    for k, name in enumerate(CONDITIONS):
        assert list(conditions_seen(1 << k)) == [name] * (name in BINS)


def training():
    p = INSTANCES["TINY"]
    stimulus = make_stimulus(p, load_device("AlOx/HfO2"), "counter", 40, 2)
    ctl = GoldenController(p, stimulus.image)
    record = golden(exercise(ctl, stimulus))
    return p, ctl.settings, record, ctl.state.memory


def test_a_training_run_counts_what_its_trace_holds():
    p, s, record, memory = training()
    hits = of_run(p, s, Mode.TRAIN, record, memory)
    codes, verdicts = np.array(record.trace["adc"]), np.array(record.trace["verdict"])
    assert hits["adc clips at +Q"] == (codes == p.adc_limit).sum() > 0
    assert (
        hits["margin update"] == verdicts[:, 0].sum() and hits["margin none"] == (verdicts[:, 0] == 0).sum()
    )
    assert hits["prediction right"] + hits["prediction wrong"] == len(verdicts)
    pulsed = [name for name in hits if name.startswith("threshold")]
    assert sum(hits[name] for name in pulsed) == len(record.trace["entry"])
    assert hits["rule counter"] == 1 and "rule accumulate" not in hits
    assert set(hit(hits)) <= set(BINS)


def test_an_inference_says_nothing_of_training():
    p, s, record, memory = training()
    hits = of_run(p, s, Mode.INFER, record, memory)
    assert hits["mode INFER"] == 1
    assert not any(
        name.startswith(("rule", "entry", "threshold", "delta", "memory", "commit")) for name in hits
    )


def test_an_unknown_bin_is_refused():
    with pytest.raises(KeyError):
        hit(Counter({"no such bin": 1}))


def test_runs_are_merged_and_shown(tmp_path, monkeypatch, capsys):
    save({"mode TRAIN": 3}, "one", tmp_path)
    save({"mode TRAIN": 1, "mode INFER": 1}, "two", tmp_path)
    save({"mode TRAIN": 2, "mode INFER": 1}, "two", tmp_path)
    runs = merged(sorted(tmp_path.glob("*.json")))
    assert list(runs) == list(BINS)
    assert {name: n for name, n in runs.items() if n} == {"mode TRAIN": 2, "mode INFER": 1}
    monkeypatch.setattr("sys.argv", ["crosstrain", "coverage", "--folder", str(tmp_path), "--json"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert json.loads(capsys.readouterr().out) == {"runs": 2, "bins": runs}


def test_no_runs_are_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["crosstrain", "coverage", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2 and "no co-simulation" in capsys.readouterr().err
