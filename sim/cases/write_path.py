"""Cases for the blocks from the hidden codes to the strobes."""

import numpy as np

from model.controller.backprop_delta import backprop_delta
from model.controller.commit_queue import commit_queue
from model.controller.margin_error import margin_error
from model.controller.pulse_scheduler import pulse_scheduler
from model.controller.settings import RULE_CODE, settings
from model.controller.teacher_delta import teacher_delta
from model.controller.update_rule import effective_threshold, firing, sample_key, update_rule
from model.controller.upper_layer import upper_layer
from sim.cases import Outputs, Pick, flagged, grouped, joined, pick_list, ungrouped, words
from sim.simulation import Case
from spec.numerics import MASK32, signed_limit
from spec.params import HwParams
from spec.registers import fields_of

FEW_STROBES = 600
"""About how many strobes a drawn transfer has at most."""


def _draw_weights(p: HwParams, pick: Pick) -> list[tuple]:
    """The setup that loads every upper-layer weight."""
    limit = 1 << (p.weight_bits - 1)
    return [
        (
            "send",
            "weights",
            [
                {"unit": unit, "klass": klass, "value": pick(-limit, limit - 1)}
                for unit in range(p.upper_rows)
                for klass in range(p.classes)
            ],
        )
    ]


def _weights(p: HwParams, case: Case) -> np.ndarray:
    values = [item["value"] for item in case.setup[0][2]]
    return np.array(values, np.int32).reshape(p.upper_rows, p.classes)


def _bits(flags: np.ndarray) -> int:
    return sum(int(flag != 0) << k for k, flag in enumerate(flags))


# -- upper_layer -----------------------------------------------------------------------------------


def draw_upper_layer(p: HwParams, pick: Pick) -> Case:
    items = []
    for _ in range(pick(1, 3)):
        hidden = [pick(0, p.adc_limit) * pick(0, 1) for _ in range(p.columns)]
        items += grouped(p, hidden)
    return Case({"i": items}, {"shift": pick(0, p.logit_acc_bits - 1)}, _draw_weights(p, pick))


def golden_upper_layer(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    out = []
    for hidden in ungrouped(p, case.inputs["i"]):
        logits = upper_layer(hidden, _weights(p, case), p.adc_bits, case.config["shift"], p.logit_bits)
        active = _bits((hidden > 0) & (hidden < p.adc_limit))
        out.append({"logits": logits.tolist(), "active": active})
    return {"o": out}, {}


# -- margin_error ----------------------------------------------------------------------------------


def draw_margin_error(p: HwParams, pick: Pick) -> Case:
    near = pick(0, p.logit_limit)  # ties are common when all codes are near each other
    samples = pick(1, 4)
    logits = [
        {
            "logits": pick_list(pick, -near, near, p.classes),
            "active": pick(0, (1 << p.columns) - 1),
        }
        for _ in range(samples)
    ]
    labels = [{"label": label} for label in pick_list(pick, 0, p.classes - 1, samples)]
    config = {"margin": pick(0, 2 * near + 1), "train": pick(0, 1)}
    return Case({"i": logits, "label": labels}, config | draw_always(p, pick))


def draw_always(p: HwParams, pick: Pick) -> dict[str, int]:
    """The pin that is there with a teacher."""
    return {"always": pick(0, 1)} if p.teacher else {}


def golden_margin_error(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    out = []
    for item, label in zip(case.inputs["i"], case.inputs["label"], strict=True):
        logits = np.array(item["logits"], np.int32)
        verdict = margin_error(logits, label["label"], *margin_settings(case))
        named = dict(zip(("update", "target", "rival", "prediction"), map(int, verdict), strict=True))
        out.append(named | {"active": item["active"]})
    return {"o": out}, {}


def margin_settings(case: Case) -> tuple[int, int, int]:
    """The last arguments of `margin_error`."""
    return case.config["margin"], case.config["train"], case.config.get("always", 0)


# -- teacher_delta ---------------------------------------------------------------------------------


def draw_teacher_delta(p: HwParams, pick: Pick) -> Case:
    hidden, wanted = [], []
    for _ in range(pick(1, 3)):
        hidden += grouped(p, pick_list(pick, 0, p.adc_limit, p.columns))
        wanted += draw_wanted(p, pick)
    return Case({"i": hidden, "wanted": wanted}, {"dead": draw_dead(p, pick)})


def draw_wanted(p: HwParams, pick: Pick) -> list[dict]:
    """The codes that the columns should have for one sample."""
    return [{"count": code} for code in pick_list(pick, 0, p.adc_limit, p.columns)]


def draw_dead(p: HwParams, pick: Pick) -> int:
    """A dead zone, often a small one."""
    widest = (1 << fields_of("TEACHER")[1][0].bits) - 1
    return pick(0, min(widest, p.adc_limit)) >> pick(0, 3)


def golden_teacher_delta(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    out = []
    wanted = np.array([item["count"] for item in case.inputs["wanted"]], np.int16).reshape(-1, p.columns)
    for hidden, codes in zip(ungrouped(p, case.inputs["i"]), wanted, strict=True):
        delta = teacher_delta(hidden, codes, case.config["dead"], p.delta_bits)
        out += flagged(words(delta, p.update_columns), "deltas")
    return {"o": out}, {}


# -- backprop_delta --------------------------------------------------------------------------------


def draw_backprop_delta(p: HwParams, pick: Pick) -> Case:
    verdicts = [
        {
            "update": 1,
            "target": pick(0, p.classes - 1),
            "rival": pick(0, p.classes - 1),
            "prediction": pick(0, p.classes - 1),
            "active": pick(0, (1 << p.columns) - 1),
        }
        for _ in range(pick(1, 3))
    ]
    return Case({"i": verdicts}, setup=_draw_weights(p, pick))


def golden_backprop_delta(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    out = []
    for verdict in case.inputs["i"]:
        hidden = np.array([verdict["active"] >> c & 1 for c in range(p.columns)], np.int32)
        delta = backprop_delta(
            _weights(p, case), hidden, verdict["target"], verdict["rival"], p.adc_bits, p.delta_bits
        )
        out += flagged(words(delta, p.update_columns), "deltas")
    return {"o": out}, {}


# -- update_rule -----------------------------------------------------------------------------------


def draw_update_rule(p: HwParams, pick: Pick) -> Case:
    samples = pick(1, 6)
    updates = pick_list(pick, 0, 1, samples)
    deltas, rows = [], []
    for _ in range(sum(updates)):
        delta = [pick(-p.delta_limit, p.delta_limit) * pick(0, 1) for _ in range(p.columns)]
        deltas += flagged(words(delta, p.update_columns), "deltas")
        codes = [pick(0, p.dac_full_scale) * pick(0, 1) for _ in range(p.inputs)] + [p.dac_full_scale]
        rows += [{"row": i, "code": x, "last": int(i == p.inputs)} for i, x in enumerate(codes) if x]
    config = {
        "rule": RULE_CODE[p.rules[pick(0, len(p.rules) - 1)]],
        "threshold": pick(0, (1 << 31) - 1) >> pick(0, 31),
        "double_first": pick(0, samples),
        "double_second": pick(0, samples),
        "x_threshold": pick(0, p.dac_full_scale),
        "delta_threshold": pick(0, p.delta_limit),
        "update_seed": pick(0, MASK32),
    }
    inputs = {"i": [{"update": update} for update in updates], "deltas": deltas, "rows": rows}
    return Case(inputs, config, [("pulse", "clear", 1), ("wait", "busy", 0)])


def golden_update_rule(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    s = settings(
        p, {name.upper(): value for name, value in case.config.items() if name not in ("restart", "clear")}
    )
    memory = np.zeros((p.rows, p.columns), np.int32)
    deltas, rows = iter(joined(case.inputs["deltas"], "deltas", p.columns)), iter(case.inputs["rows"])
    up, down, out = np.zeros(p.columns, np.uint8), np.zeros(p.columns, np.uint8), []
    for n, item in enumerate(case.inputs["i"]):
        threshold = effective_threshold(s.threshold, n, s.double_first, s.double_second)
        key, last = sample_key(s, n), not item["update"]
        delta = None if last else firing(next(deltas), key, s)
        while not last:
            row = next(rows)
            i, last = row["row"], row["last"]
            if update_rule(memory[i], i, row["code"], delta, threshold, key, s, up, down):
                out.append({"end": 0, "row": i, "up": _bits(up), "down": _bits(down)})
        out.append({"end": 1, "row": 0, "up": 0, "down": 0})
    return {"o": out}, {}


# -- commit_queue ----------------------------------------------------------------------------------


def draw_commit_queue(p: HwParams, pick: Pick) -> Case:
    samples, entries = pick(1, 2 * p.queue_depth), []
    for _ in range(samples):
        for row in range(p.rows):
            if pick(0, 1):
                up, down = pick(0, (1 << p.columns) - 1), pick(0, (1 << p.columns) - 1)
                entries.append({"end": 0, "row": row, "up": up, "down": down & ~up})
        entries.append({"end": 1, "row": 0, "up": 0, "down": 0})
    return Case({"i": entries, "starts": [0] * samples})


def golden_commit_queue(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    samples: list[list[dict]] = [[]]
    for entry in case.inputs["i"]:
        if entry["end"]:
            samples.append([])
        else:
            operation = {name: entry[name] for name in ("row", "up", "down")} | {"depress": 0}
            samples[-1].append(operation)
    order = commit_queue(len(case.inputs["starts"]), p.commit_depth)
    return {"o": [operation for kind, n in order if kind == "commit" for operation in samples[n]]}, {}


# -- pulse_scheduler -------------------------------------------------------------------------------


def draw_pulse_scheduler(p: HwParams, pick: Pick) -> Case:
    config = {"transfer": pick(0, 1), "depress": pick(0, 1)}
    if config["transfer"]:
        limit = min(signed_limit(p.count_bits), FEW_STROBES // p.rows)
        counts = [
            pick(-limit, limit) * pick(0, 1) >> pick(0, limit.bit_length()) for _ in range(p.rows * p.columns)
        ]
        return Case({"counts": [{"count": count} for count in counts]}, config)
    operations = [
        {
            "row": pick(0, p.rows - 1),
            "up": pick(0, (1 << p.columns) - 1),
            "down": pick(0, (1 << p.columns) - 1),
            "depress": pick(0, 1),
        }
        for _ in range(pick(1, 10))
    ]
    return Case({"online": operations}, config)


def golden_pulse_scheduler(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    if not case.config["transfer"]:
        return {"o": case.inputs["online"], "done": []}, {}
    counts = np.array([item["count"] for item in case.inputs["counts"]]).reshape(p.rows, p.columns)
    out = [
        {"row": row, "up": _bits(up), "down": _bits(down), "depress": case.config["depress"]}
        for row in range(p.rows)
        for up, down in zip(*pulse_scheduler(counts[row]), strict=True)
    ]
    return {"o": out, "done": [[]]}, {}
