"""Waveform files are read, and drawn as what they say."""

import re

import pytest

from sim.timing_diagram import UNKNOWN, Change, Row, draw, read_waves, rises, value_at

VCD = """
$date today $end $timescale 1 ns $end
$scope module bench $end
$var wire 1 ! clk $end
$scope module top $end
$var wire 1 " go $end
$var wire 3 # \\word[0] $end
$var wire 3 # alias [2:0] $end
$var real 64 % r $end
$upscope $end $upscope $end $enddefinitions $end
#0 $dumpvars 0! x" bxx1 # r1.5 % $end
#5 1! #10 0! 1" b101 # sSTATE %
#15 1! 0" 1" #20 0! 0"
"""


@pytest.fixture
def vcd(tmp_path):
    path = tmp_path / "waves.vcd"
    path.write_text(VCD)
    return path


def test_changes_of_the_asked_scope_are_read(vcd):
    waves = read_waves(vcd, "bench.top")
    assert waves["go"] == (1, [Change(0, UNKNOWN), Change(10, 1), Change(20, 0)])
    assert waves["word[0]"] == waves["alias"] == (3, [Change(0, UNKNOWN), Change(10, 5)])
    assert list(read_waves(vcd, "bench")) == ["clk"]


def test_a_scope_that_is_not_there_is_an_error(vcd):
    with pytest.raises(KeyError, match=r"bench\.other"):
        read_waves(vcd, "bench.other")


def test_values_and_rises_are_found():
    wave = [Change(3, 0), Change(7, 1), Change(9, 0), Change(12, 1), Change(14, UNKNOWN), Change(15, 1)]
    assert [value_at(wave, time) for time in (0, 3, 6, 7, 100)] == [UNKNOWN, 0, 0, 1, 1]
    assert rises(wave) == [7, 12]


def test_a_drawing_has_levels_values_and_what_is_unknown():
    level, word = [Change(0, 0), Change(20, 1), Change(30, UNKNOWN)], [Change(0, 7), Change(10, 123456)]
    text = draw("a < b", [Row("up", level, given=True), Row("word", word, 20, hex)], [0, 10, 20, 30, 40])
    assert "<title>a &lt; b</title>" in text
    assert len(re.findall('class="u"', text)) == 1 and len(re.findall('class="v"', text)) == 2
    labels = re.findall(r"<text([^>]*)>([^<]*)</text>", text)
    assert [name for _, name in labels] == ["up", "word", "0x7", "0x1e240"]
    assert ["class" in style for style, _ in labels] == [True, False, False, False]


def test_a_value_without_room_is_left_out():
    word = [Change(0, 7), Change(10, 123456), Change(20, 8)]
    text = draw("narrow", [Row("word", word, 20)], [0, 10, 20, 30])
    assert ">7</text>" in text and ">8</text>" in text and "123456" not in text
