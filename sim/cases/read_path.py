"""Cases for the blocks from the samples to the hidden codes."""

import numpy as np

from model.controller.activation import activation
from model.controller.calibration import GAINS, OFFSETS, begin, calibration, channels, finish, measure
from model.controller.column_adc import column_adc
from model.controller.dac_encode import dac_encode
from model.controller.dac_load import dac_load
from model.controller.input_buffer import input_buffer
from model.controller.partial_sum import partial_sum
from model.controller.shift_add import shift_add
from model.controller.upper_rows import upper_rows
from sim.cases import Outputs, Pick, grouped, pick_list, ungrouped, words
from sim.simulation import Case
from spec.numerics import CALIBRATED_GAIN_BITS, signed_limit
from spec.params import HwParams

# -- dac_encode ------------------------------------------------------------------------------------


def draw_dac_encode(p: HwParams, pick: Pick) -> Case:
    samples = pick(1, 3)
    items = []
    for label in pick_list(pick, 0, p.classes - 1, samples):
        for _ in range(p.row_words):
            items.append({"pixels": pick_list(pick, 0, 255, p.dac_load_lanes), "label": label})
    return Case({"i": items})


def golden_dac_encode(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    items, out = case.inputs["i"], []
    for k in range(0, len(items), p.row_words):
        pixels = np.array([item["pixels"] for item in items[k : k + p.row_words]], np.uint8).reshape(-1)[
            : p.inputs
        ]
        codes = words(dac_encode(pixels, p.dac_bits), p.dac_load_lanes)
        out += [{"codes": group, "label": items[k]["label"]} for group in codes]
    return {"o": out}, {}


# -- input_buffer ----------------------------------------------------------------------------------


def draw_input_buffer(p: HwParams, pick: Pick) -> Case:
    samples = pick(1, 2 * p.input_slots)
    items = []
    for label in pick_list(pick, 0, p.classes - 1, samples):
        codes = [pick(0, p.dac_full_scale) * pick(0, 1) for _ in range(p.inputs)] + [p.dac_full_scale]
        items += [{"codes": group, "label": label} for group in words(codes, p.dac_load_lanes)]
    verdicts = [{"update": update} for update in pick_list(pick, 0, 1, samples)]
    return Case({"i": items, "verdict": verdicts}, after={"verdict": {"load": p.row_words, "label": 1}})


def golden_input_buffer(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    items = case.inputs["i"]
    out: Outputs = {"load": [], "label": [], "rows": []}
    for k, verdict in enumerate(case.inputs["verdict"]):
        sample = items[k * p.row_words : (k + 1) * p.row_words]
        codes = np.array([item["codes"] for item in sample], np.int32).reshape(-1)[: p.rows]
        out["load"] += [item["codes"] for item in sample]
        out["label"].append({"label": sample[0]["label"]})
        rows = input_buffer(codes, bool(verdict["update"]))
        out["rows"] += [{"row": row, "code": code, "last": int(last)} for row, code, last in rows]
    return out, {}


# -- dac_load --------------------------------------------------------------------------------------


def draw_dac_load(p: HwParams, pick: Pick) -> Case:
    codes = [pick_list(pick, 0, p.dac_full_scale, p.rows) for _ in range(pick(1, 3))]
    return Case({"i": [group for sample in codes for group in words(sample, p.dac_load_lanes)]})


def golden_dac_load(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    items, out = case.inputs["i"], []
    for k in range(0, len(items), p.row_words):
        codes = np.array(items[k : k + p.row_words], np.int32).reshape(-1)[: p.rows]
        out += [{"word": w, "codes": group.tolist()} for w, group in dac_load(codes, p.dac_load_lanes)]
    return {"dac": out}, {}


# -- sar_adc, ramp_adc -----------------------------------------------------------------------------


def draw_sar_adc(p: HwParams, pick: Pick) -> Case:
    limit = signed_limit(p.sum_bits)
    lsb, count = max(1, pick(1, (1 << 24) - 1) >> pick(0, 23)), p.grid_rows * p.columns
    sums = []
    for _ in range(pick(1, 3)):
        # Most sums are near the edge of a code, where an error shows.
        edges = [
            pick(-p.adc_limit - 2, p.adc_limit + 2) * lsb + (lsb >> 1) + pick(-2, 2) for _ in range(count)
        ]
        anywhere = pick_list(pick, -limit, limit, count)
        sums.append(
            [
                a if pick(0, 3) == 3 else max(-limit, min(limit, e))
                for e, a in zip(edges, anywhere, strict=True)
            ]
        )
    return Case({"sums": sums}, {"lsb": lsb})


def golden_sar_adc(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    out = []
    for sums in case.inputs["sums"]:
        codes = column_adc(np.array(sums, np.int64), case.config["lsb"], p.adc_bits)
        out += grouped(p, codes)
    return {"o": out}, {}


draw_ramp_adc, golden_ramp_adc = draw_sar_adc, golden_sar_adc


# -- partial_sum -----------------------------------------------------------------------------------


def draw_partial_sum(p: HwParams, pick: Pick) -> Case:
    count = p.grid_rows * p.columns
    samples = [pick_list(pick, -p.adc_limit, p.adc_limit, count) for _ in range(pick(1, 3))]
    return Case({"i": [item for codes in samples for item in grouped(p, codes)]})


def golden_partial_sum(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    out: Outputs = {"o": [], "clipped": []}
    for group in case.inputs["i"]:
        codes, clipped = partial_sum(np.array(group["codes"], np.int32), p.grid_rows, p.adc_bits)
        out["o"].append({"codes": codes.tolist(), "last": group["last"]})
        out["clipped"].append([clipped])
    return out, {}


# -- calibration -----------------------------------------------------------------------------------


def draw_calibration(p: HwParams, pick: Pick) -> Case:
    """Runs of zero reads and of samples, in any order, with results after each and others restored; then codes to correct."""
    items, restored, most = [], [], 0
    for _ in range(pick(1, 3)):
        gains, spread = pick(0, 1), pick(0, p.adc_limit)
        for _ in range(pick(0, 3)):
            codes = pick_list(pick, -spread, p.adc_limit, p.grid_rows * p.columns)
            most += sum(map(abs, codes))
            items += [_calibrated(group, gains) for group in grouped(p, codes)]
        nothing = {"codes": [0] * p.converters, "last": 0}
        items.append({"codes": nothing, "gains": gains, "finish": 1})
        restored += [_restored(p, pick) for _ in range(p.converters)]
    codes = pick_list(pick, -p.adc_limit, p.adc_limit, p.grid_rows * p.columns)
    items += [_calibrated(group, 0) for group in grouped(p, codes)]
    targets = pick_list(pick, 0, min((1 << 32) - 1, most << pick(0, 4)), p.converters)
    return Case(
        {"i": items, "targets": targets, "restored": restored}, {"apply": pick(0, 1), "shift": pick(0, 2)}
    )


def _calibrated(group: dict, gains: int) -> dict:
    return {"codes": group, "gains": gains, "finish": 0}


def _restored(p: HwParams, pick: Pick) -> dict:
    """Offset and gain of a channel, which take the place of what was found with `restore`."""
    return {
        "offset": pick(-p.adc_limit, p.adc_limit),
        "gain": pick(0, (1 << CALIBRATED_GAIN_BITS) - 1),
        "restore": pick(0, 1),
    }


def golden_calibration(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    state, apply, shift = channels(p), case.config["apply"], case.config["shift"]
    state.target[:] = case.inputs["targets"]
    out: Outputs = {"o": [], "results": []}
    groups: list[dict] = []
    restored = iter(case.inputs["restored"])
    for item in case.inputs["i"]:
        what = GAINS if item["gains"] else OFFSETS
        if item["finish"]:
            finish(state, what, shift, p.adc_bits)
            begin(state)
            results = zip(state.offset.tolist(), state.gain.tolist(), strict=True)
            out["results"] += [{"offset": offset, "gain": gain} for offset, gain in results]
            for k, new in zip(range(p.converters), restored, strict=False):
                if new["restore"]:
                    state.offset[k], state.gain[k] = new["offset"], new["gain"]
            continue
        groups.append(item["codes"])
        if item["codes"]["last"]:
            (codes,), groups = ungrouped(p, groups, p.grid_rows), []
            measure(state, codes, what, shift)
            corrected = calibration(codes, state, apply, p.adc_bits)
            out["o"] += grouped(p, corrected)
    return out, {}


# -- shift_add -------------------------------------------------------------------------------------


def draw_shift_add(p: HwParams, pick: Pick) -> Case:
    serial = pick(0, 1)
    conversions = pick(1, 2) * (p.dac_bits if serial else 1)
    codes = [pick_list(pick, -p.adc_limit, p.adc_limit, p.columns) for _ in range(conversions)]
    items = [item for c in codes for item in grouped(p, c)]
    return Case({"i": items}, {"serial": serial, "shift": pick(0, p.dac_bits + 1)})


def golden_shift_add(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    serial, out = case.config["serial"], []
    codes = np.array(ungrouped(p, case.inputs["i"]))
    reads = codes.reshape(-1, p.dac_bits, p.columns) if serial else codes
    for read in reads:
        out += grouped(p, shift_add(read, case.config["shift"], p.adc_bits) if serial else read)
    return {"o": out}, {}


# -- activation ------------------------------------------------------------------------------------


def draw_activation(p: HwParams, pick: Pick) -> Case:
    samples = [pick_list(pick, -p.adc_limit, p.adc_limit, p.columns) for _ in range(pick(1, 3))]
    return Case({"i": [item for codes in samples for item in grouped(p, codes)]})


def golden_activation(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    items = case.inputs["i"]
    out = [item for codes in ungrouped(p, items) for item in grouped(p, activation(codes))]
    clipped = [[sum(code == p.adc_limit for code in item["codes"])] for item in items]
    return {"o": out, "clipped": clipped}, {}


# -- upper_rows ------------------------------------------------------------------------------------


def draw_upper_rows(p: HwParams, pick: Pick) -> Case:
    samples = [pick_list(pick, 0, p.adc_limit, p.columns) for _ in range(pick(1, 3))]
    return Case({"i": [item for codes in samples for item in grouped(p, codes)]})


def golden_upper_rows(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    lanes, out = p.upper.dac_load_lanes, []
    for hidden in ungrouped(p, case.inputs["i"]):
        codes = words(upper_rows(hidden, p.upper.dac_full_scale), lanes)
        out += [{"codes": group, "label": 0} for group in codes]
    return {"o": out}, {}
