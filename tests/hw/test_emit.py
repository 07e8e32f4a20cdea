"""Emission of SystemVerilog and RTLIL, and the lint of it."""

import os
from pathlib import Path

import pytest
from amaranth.hdl import Module, unsigned
from amaranth.lib import stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out, Signature

from hw.emit import _registers_together, _zeros_in_loops, collisions_undefined, to_rtlil, to_systemverilog
from hw.lint import lint

ZEROS = """\
  initial begin
    memory[0] = 4'h0;
    memory[1] = 4'h0;
    memory[2] = 4'h1;
    memory[3] = 4'h0;
  end
  initial begin
    \\a.b [0] = 9'h000;
    c[0] = 9'h000;
  end
"""


def test_zeros_that_a_memory_begins_with_are_a_loop():
    assert _zeros_in_loops(ZEROS).splitlines() == [
        "  initial begin",
        "    for (int i = 0; i < 2; i = i + 1) memory[i] = 4'h0;",
        "    memory[2] = 4'h1;",
        "    memory[3] = 4'h0;",
        "  end",
        "  initial begin",
        "    for (int i = 0; i < 1; i = i + 1) \\a.b [i] = 9'h000;",
        "    for (int i = 0; i < 1; i = i + 1) c[i] = 9'h000;",
        "  end",
    ]


REGISTERS = """\
module one(clk, a);
  always_ff @(posedge clk)
    \\$a  <= b;
  always_ff @(posedge clk) begin
    if (c) memory[0] <= a;
  end
  assign d = b;
  always_ff @(posedge clk)
    if (rst) b <= 4'h0;
    else b <= a;
endmodule
module two(clk);
  always_ff @(posedge clk)
    a <= b;
endmodule
"""


def test_registers_of_a_module_are_in_one_block():
    assert _registers_together(REGISTERS).splitlines() == [
        "module one(clk, a);",
        "  always_ff @(posedge clk) begin",
        "    if (c) memory[0] <= a;",
        "  end",
        "  assign d = b;",
        "  always_ff @(posedge clk) begin",
        "    \\$a  <= b;",
        "    if (rst) b <= 4'h0;",
        "    else b <= a;",
        "  end",
        "endmodule",
        "module two(clk);",
        "  always_ff @(posedge clk) begin",
        "    a <= b;",
        "  end",
        "endmodule",
    ]


def read_port(kind: str, transparent: str = "1'0", collision: str = "1'0", clocked: int = 1) -> str:
    return (
        f'  cell $memrd_v2 $1\n    parameter \\MEMID "{kind}"\n    parameter \\TRANSPARENCY_MASK {transparent}\n'
        f"    parameter \\COLLISION_X_MASK {collision}\n    parameter \\INIT_VALUE 8'xxxxxxxx\n"
        f"    parameter \\CLK_ENABLE {clocked}\n    connect \\EN 1'1\n  end\n"
    )


def test_a_word_that_is_written_while_it_is_read_is_undefined_but_where_a_port_promises_one():
    ports = [("one writer", "1'0", "1'0"), ("two writers", "2'00", "2'00")]
    others = (
        read_port("transparent", "1'1") + read_port("not clocked", clocked=0) + read_port("ROM", "0'0", "0'0")
    )
    text = "".join(read_port(*port) for port in ports) + others
    wanted = read_port("one writer", "1'0", "1'1") + read_port("two writers", "2'00", "2'11") + others
    assert collisions_undefined(text) == wanted


class Delay(Component):
    """A stream through a memory and a state machine; its ports are nested signatures."""

    def __init__(self, depth: int):
        self.depth = depth
        sample = stream.Signature(unsigned(8))
        super().__init__(
            {"i": In(sample), "o": Out(sample), "bus": In(Signature({"stop": Out(1), "state": In(1)}))}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = Memory(shape=8, depth=self.depth, init=[])
        write, read = store.write_port(), store.read_port(domain="comb")
        m.d.comb += [write.data.eq(self.i.payload), self.o.payload.eq(read.data)]
        with m.FSM() as fsm:
            with m.State("EMPTY"):
                m.d.comb += [self.i.ready.eq(~self.bus.stop), write.en.eq(self.i.valid & self.i.ready)]
                with m.If(write.en):
                    m.next = "FULL"
            with m.State("FULL"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [write.addr.eq(write.addr + 1), read.addr.eq(read.addr + 1)]
                    m.next = "EMPTY"
        m.d.comb += self.bus.state.eq(fsm.ongoing("FULL"))
        return m


@pytest.mark.parametrize("emit", [to_systemverilog, to_rtlil])
def test_unchanged_text_keeps_the_time(emit, tmp_path):
    path = tmp_path / "new" / "delay"
    assert emit(Delay(4), "delay", path) == path
    os.utime(path, (1, 1))
    emit(Delay(4), "delay", path)
    assert path.stat().st_mtime == 1
    emit(Delay(8), "delay", path)
    assert path.stat().st_mtime > 1
    assert [file.name for file in path.parent.iterdir()] == ["delay"]


def test_ports_of_nested_signatures(tmp_path):
    text = to_systemverilog(Delay(4), "delay", tmp_path / "delay.sv").read_text()
    for port in (
        "input i__valid;",
        "output i__ready;",
        "input [7:0] i__payload;",
        "output [7:0] o__payload;",
        "input bus__stop;",
        "output bus__state;",
    ):
        assert port in text
    assert "module delay(" in text
    body = text[text.index("module delay(") :]
    assert "`COMBINATIONAL" in body
    assert "always_comb" not in body
    assert "always @*" not in body


def test_source_attributes(tmp_path):
    plain = to_systemverilog(Delay(4), "delay", tmp_path / "plain.sv").read_text()
    marked = to_systemverilog(Delay(4), "delay", tmp_path / "marked.sv", source_attributes=True).read_text()
    assert Path(__file__).name not in plain
    assert Path(__file__).name in marked
    assert Path(__file__).name not in to_rtlil(Delay(4), "delay", tmp_path / "plain.il").read_text()


def test_emit_refuses_what_has_no_signature(tmp_path):
    with pytest.raises(TypeError):
        to_systemverilog(object(), "top", tmp_path / "top.sv")


def test_lint_passes_emitted_text(tmp_path):
    assert lint(to_systemverilog(Delay(4), "delay", tmp_path / "delay.sv"), "delay") == []


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        ("LATCH", "always_comb if (a) q = b;"),
        ("MULTIDRIVEN", "assign q = a; assign q = b;"),
        ("UNOPTFLAT", "wire r; assign r = q & a; assign q = r | b;"),
    ],
)
def test_lint_finds_a_planted_fault(tmp_path, rule, body):
    source = tmp_path / "planted.sv"
    source.write_text(f"module planted(input a, input b, output logic q);\n{body}\nendmodule\n")
    messages = lint(source, "planted")
    assert [message.split(":")[0] for message in messages] == [f"%Warning-{rule}"]


def test_lint_reports_errors_and_what_the_waivers_hide(tmp_path):
    source = tmp_path / "wide.sv"
    source.write_text("module wide(input [7:0] a, output [3:0] q);\nassign q = a;\nendmodule\n")
    assert lint(source, "wide") == []
    assert lint(source, "wide", generated=False)
    assert lint(source, "absent")[0].startswith("%Error")
    with pytest.raises(FileNotFoundError):
        lint(tmp_path / "absent.sv", "absent")
