"""Seeded faults: a module with one piece of its text replaced, while the original stays as it is."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


def load_mutant(module_name: str, old: str, new: str) -> ModuleType:
    """The module `module_name` with `old` replaced by `new`, as a module of its own that nobody imports.

    Raises ValueError unless the module has a source in which `old` occurs exactly once.
    """
    spec = importlib.import_module(module_name).__spec__
    if spec is None or spec.origin is None:
        raise ValueError(f"{module_name} has no source")
    source = Path(spec.origin).read_text(encoding="utf-8")
    if (found := source.count(old)) != 1:
        raise ValueError(f"{module_name}: {old!r} occurs {found} times, not once")
    mutant = importlib.util.module_from_spec(spec)
    exec(compile(source.replace(old, new), spec.origin, "exec"), mutant.__dict__)
    return mutant


@contextmanager
def mutated(module_name: str, old: str, new: str) -> Iterator[ModuleType]:
    """While open, every loaded module that has something of `module_name` has the mutant's instead.

    That is the module itself, and its functions and classes under whatever names they were imported.  Constants keep
    the original's value where they were imported by name, and classes derived from the original's keep their base.
    Build the design inside.
    Raises ValueError as `load_mutant` does.
    """
    from sim.fast.build import controller_text  # here, as proofs load mutants without a simulator

    original, mutant = importlib.import_module(module_name), load_mutant(module_name, old, new)
    twins = {id(original): mutant}
    for name, value in vars(original).items():
        if getattr(value, "__module__", None) == module_name and hasattr(mutant, name):
            twins[id(value)] = getattr(mutant, name)
    places = [
        (module, name, value)
        for module in list(sys.modules.values())
        if isinstance(module, ModuleType) and module is not original
        for name, value in list(vars(module).items())
        if id(value) in twins
    ]
    sys.modules[module_name] = mutant
    for module, name, value in places:
        setattr(module, name, twins[id(value)])
    controller_text.cache_clear()
    try:
        yield mutant
    finally:
        sys.modules[module_name] = original
        for module, name, value in places:
            setattr(module, name, value)
        controller_text.cache_clear()
