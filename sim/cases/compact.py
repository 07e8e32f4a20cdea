"""Cases for the blocks of compact hardware: those of their larger siblings, masks cut into words."""

import numpy as np

from model.controller.backprop_delta import backprop_delta
from model.controller.margin_error import margin_error
from model.controller.teacher_delta import teacher_delta
from model.controller.upper_layer import upper_layer
from sim.cases import Outputs, Pick, flagged, pick_list, ungrouped, words
from sim.cases import write_path as whole
from sim.cases.write_path import draw_update_rule as draw_update_walk
from sim.simulation import Case
from spec.params import HwParams

__all__ = ["draw_update_walk"]


def _parts(p: HwParams, entry: dict, keep_last: bool = False) -> list[dict]:
    """A payload with masks as those of its words: all with a device, and where `keep_last` the last one too."""
    lanes = p.update_columns
    cut = [
        (
            word,
            entry["up"] >> word * lanes & (1 << lanes) - 1,
            entry["down"] >> word * lanes & (1 << lanes) - 1,
        )
        for word in range(p.update_words)
    ]
    found = [part for part in cut if part[1] or part[2] or (keep_last and part[0] == p.update_words - 1)]
    rest = {key: value for key, value in entry.items() if key not in ("up", "down")}
    return [
        rest | {"word": word, "up": up, "down": down, "last": int(k == len(found) - 1)}
        for k, (word, up, down) in enumerate(found)
    ]


def _entry_parts(p: HwParams, entry: dict) -> list[dict]:
    return [entry | {"word": 0, "last": 0}] if entry["end"] else _parts(p, entry)


def golden_update_walk(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    outputs, _ = whole.golden_update_rule(p, case)
    return {"o": [part for entry in outputs["o"] for part in _entry_parts(p, entry)]}, {}


# -- commit_queue ----------------------------------------------------------------------------------


def draw_commit_queue(p: HwParams, pick: Pick) -> Case:
    case = whole.draw_commit_queue(p, pick)
    case.inputs["i"] = [part for entry in case.inputs["i"] for part in _entry_parts(p, entry)]
    return case


def golden_commit_queue(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    out = [item | {"depress": 0} for item in case.inputs["i"] if not item["end"]]
    return {"o": [{key: value for key, value in item.items() if key != "end"} for item in out]}, {}


# -- word_scheduler --------------------------------------------------------------------------------


def draw_word_scheduler(p: HwParams, pick: Pick) -> Case:
    case = whole.draw_pulse_scheduler(p, pick)
    if "online" in case.inputs:
        case.inputs["online"] = [part for item in case.inputs["online"] for part in _parts(p, item)]
    return case


def golden_word_scheduler(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    outputs, levels = whole.golden_pulse_scheduler(p, case)
    if case.config["transfer"]:
        outputs["o"] = [part for item in outputs["o"] for part in _parts(p, item, keep_last=True)]
    return outputs, levels


# -- classifier ------------------------------------------------------------------------------------


def draw_classifier(p: HwParams, pick: Pick) -> Case:
    case = whole.draw_upper_layer(p, pick)
    samples = len(case.inputs["i"]) // p.adc_groups
    labels = [{"label": label} for label in pick_list(pick, 0, p.classes - 1, samples)]
    config = case.config | {"margin": pick(0, 2 * p.logit_limit + 1), "train": pick(0, 1)}
    inputs = case.inputs | {"label": labels}
    if p.teacher:
        config |= whole.draw_always(p, pick) | {"dead": whole.draw_dead(p, pick)}
        updating = samples * config["train"] * config["always"]
        inputs["wanted"] = [item for _ in range(updating) for item in whole.draw_wanted(p, pick)]
    return Case(inputs, config, case.setup)


def golden_classifier(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    weights = whole._weights(p, case)
    verdicts: list[dict] = []
    logits: list[dict] = []
    deltas: list[dict] = []
    wanted = iter(case.inputs.get("wanted", []))
    for hidden, label in zip(ungrouped(p, case.inputs["i"]), case.inputs["label"], strict=True):
        codes = upper_layer(hidden, weights, p.adc_bits, case.config["shift"], p.logit_bits)
        verdict = margin_error(np.array(codes, np.int32), label["label"], *whole.margin_settings(case))
        update, target, rival, prediction = map(int, verdict)
        logits.append({"logits": codes.tolist()})
        verdicts.append({"update": update, "target": target, "rival": rival, "prediction": prediction})
        if update and case.config.get("always"):
            taught = [next(wanted)["count"] for _ in range(p.columns)]
            delta = teacher_delta(hidden, np.array(taught, np.int16), case.config["dead"], p.delta_bits)
            deltas += flagged(words(delta, p.update_columns), "deltas")
        elif update:
            delta = backprop_delta(weights, hidden, target, rival, p.adc_bits, p.delta_bits)
            deltas += flagged(words(delta, p.update_columns), "deltas")
    return {"o": verdicts, "logits": logits, "deltas": deltas}, {}
