"""The controller's data flow as a graph, read from hw/controller.py, whose text is nothing but connections.

A connection is `link(m, source, sink)`, `connect(...)`, or `sink.eq(source)` between payloads or array signals.
Handshakes and configuration are left out.
"""

import ast
from dataclasses import dataclass, field

DATA_METHODS = (
    "_read_path", "_column_codes", "_hidden_codes", "_verdicts", "_errors", "_write_path", "_wanted",
)  # fmt: skip
"""Methods of `Controller` that carry samples and pulses; the others carry control, weights and counters."""

_HANDSHAKES = ("ready", "valid", "swap", "integrate", "rewind", "depress")
_ALIASES = {"driver": "pulse_driver", "gate": "pulse_gate", "write": "pulse_gate", "array": "macro"}


@dataclass
class DataFlow:
    """Edges (source, sink) between names of blocks, ports and FIFOs, in the order of the text."""

    edges: list[tuple[str, str]] = field(default_factory=list)

    def add(self, source: str, sink: str) -> None:
        if source != sink and (source, sink) not in self.edges:
            self.edges.append((source, sink))


def data_flow(text: str) -> DataFlow:
    """The graph of a controller's source text."""
    flow = DataFlow()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name in DATA_METHODS:
            _Method(flow, node).read()
    return flow


class _Method:
    """One method: its local names stand for what they were assigned."""

    def __init__(self, flow: DataFlow, node: ast.FunctionDef):
        self.flow, self.node = flow, node
        self.names: dict[str, list[str]] = {}

    def read(self) -> None:
        calls = []
        for node in ast.walk(self.node):
            if isinstance(node, ast.Assign):
                self._assign(node)
            elif isinstance(node, ast.Call):
                calls.append(node)
        for call in sorted(calls, key=lambda c: (c.lineno, c.col_offset)):
            self._call(call)

    def _assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                for name, value in zip(target.elts, node.value.elts, strict=True):
                    self._name(name, value)
            elif isinstance(target, ast.Tuple):  # both ends of a FIFO
                for name in target.elts:
                    self._name(name, node.value)
            else:
                self._name(target, node.value)

    def _name(self, target: ast.expr, value: ast.expr) -> None:
        if not isinstance(target, ast.Name):
            return
        if (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Attribute)
            and value.func.attr == "_fifo"
        ):
            self.names[target.id] = [ast.literal_eval(value.args[1])]
        elif path := self._path(value):
            self.names[target.id] = path

    def _path(self, node: ast.expr) -> list[str]:
        """`self.dac_encode.i.payload` -> [dac_encode, i, payload]; [] for anything else."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return []
        if node.id == "self":
            return parts
        return self.names.get(node.id, []) + parts

    def _call(self, call: ast.Call) -> None:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in ("link", "connect"):
            source, sink = (self._path(_unwrapped(arg)) for arg in call.args[1:3])
            self._edge(source, sink)
        elif name == "eq" and isinstance(call.func, ast.Attribute):
            source, sink = self._path(call.args[0]), self._path(call.func.value)
            if not any(part.endswith(_HANDSHAKES) for part in source[1:] + sink[1:]):
                self._edge(source, sink)

    def _edge(self, source: list[str], sink: list[str]) -> None:
        if source and sink:
            self.flow.add(*(_ALIASES.get(path[0], path[0]) for path in (source, sink)))


def _unwrapped(node: ast.expr) -> ast.expr:
    """The argument of `flipped(...)`."""
    return node.args[0] if isinstance(node, ast.Call) else node
