"""What is installed where the tree itself is not: `pip install .`"""

from pathlib import Path

from setuptools import Distribution

ROOT = Path(__file__).parents[1]
NOT_INSTALLED = {"__pycache__"}


def test_every_file_that_a_package_reads_is_installed_with_it(monkeypatch):
    monkeypatch.chdir(ROOT)
    distribution = Distribution()
    distribution.parse_config_files([str(ROOT / "pyproject.toml")])
    distribution.include_package_data = False  # by a manifest, which is not there
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    installed = {
        (ROOT / folder / name).resolve() for _, folder, _, names in command.data_files for name in names
    }
    tops = {package.split(".")[0] for package in distribution.packages}
    there = {
        path
        for top in tops
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix != ".py" and not NOT_INSTALLED & set(path.parts)
    }
    assert there
    assert there - installed == set()
