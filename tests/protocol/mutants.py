"""Plants one small fault after another in the rules, to see whether the golden vectors notice.

A mutant is a function whose code differs in one place: a comparison moved over its boundary or turned round, `and` for
`or`, a `not` left out, a number one off. The faulty code is put into the living function, so that whoever imported
it runs it; enums and value classes stay the same objects.
"""

import ast
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final, NamedTuple

from protocol import decision, policy, visit

RULES: Final = (decision, visit, policy)

_TURNED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


class Mutant(NamedTuple):
    """One fault: where it lies, what it is, and the code that has it."""

    name: str
    function: Any  # a function; named as one, type checkers would bind it to the mutant
    code: CodeType

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Run everything with the fault in place."""
        sound = self.function.__code__
        self.function.__code__ = self.code
        try:
            yield
        finally:
            self.function.__code__ = sound


class _Change(NamedTuple):
    """A way to spoil a tree; `undo` restores it."""

    place: str
    what: str
    make: Callable[[], None]
    undo: Callable[[], None]


def mutants(modules: tuple[ModuleType, ...] = RULES) -> list[Mutant]:
    """Return every mutant of every function of the modules."""
    return [mutant for module in modules for mutant in _of(module)]


def _of(module: ModuleType) -> Iterator[Mutant]:
    path = Path(inspect.getsourcefile(module) or "")
    tree = ast.parse(path.read_text("utf-8"))
    for function, node in _functions(module, tree):
        for change in _changes(node):
            change.make()
            code = _code(compile(tree, str(path), "exec"), function.__qualname__)
            change.undo()
            yield Mutant(f"{path.name}:{change.place} {function.__qualname__}: {change.what}", function, code)


def _functions(module: ModuleType, tree: ast.Module) -> Iterator[tuple[Any, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield vars(module)[node.name], node
        elif isinstance(node, ast.ClassDef):
            members = vars(vars(module)[node.name])
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    member = members[inner.name]
                    yield member.fget if isinstance(member, property) else member, inner


def _code(whole: CodeType, qualified: str) -> CodeType:
    """Find the code of one function in that of its module."""
    waiting = [whole]
    while waiting:
        for constant in waiting.pop().co_consts:
            if isinstance(constant, CodeType):
                if constant.co_qualname == qualified:
                    return constant
                waiting.append(constant)
    raise LookupError(f"no code of {qualified}: the mutator does not understand this module")


def _changes(function: ast.FunctionDef) -> Iterator[_Change]:
    for statement in function.body:
        for parent in ast.walk(statement):
            yield from _inside(parent)


def _inside(node: ast.AST) -> Iterator[_Change]:
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            turned = _TURNED[type(operator)]()
            yield _replacing(node, node.ops, place, turned, f"{_spoken(operator)} → {_spoken(turned)}")
    elif isinstance(node, ast.BoolOp):
        yield from _joints(node)
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        for other in (node.value + 1, node.value - 1):
            yield _setting(node, "value", other, f"{node.value} → {other}")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        twice = ast.copy_location(ast.UnaryOp(ast.Not(), node.operand), node)
        yield _setting(node, "operand", twice, f"without not: {ast.unparse(node)}")


def _joints(node: ast.BoolOp) -> Iterator[_Change]:
    """`a and b and c` has two joints; each is turned for itself, and binds as Python would read it."""
    turned: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    for place in range(1, len(node.values)):
        left, right = node.values[:place], node.values[place:]
        if isinstance(node.op, ast.And):  # `a and b or c and d`
            operator, values = turned, [_joined(ast.And(), left), _joined(ast.And(), right)]
        else:  # `a or b and c or d`
            middle = _joined(ast.And(), [left[-1], right[0]])
            operator, values = node.op, [*left[:-1], middle, *right[1:]]
        if len(values) == 1:
            operator, values = turned, node.values
        yield _rejoining(
            node, operator, values, f"{_spoken(node.op)} → {_spoken(turned)} after {ast.unparse(left[-1])}"
        )


def _joined(operator: ast.boolop, values: list[ast.expr]) -> ast.expr:
    return values[0] if len(values) == 1 else ast.copy_location(ast.BoolOp(operator, values), values[0])


def _rejoining(node: ast.BoolOp, operator: ast.boolop, values: list[ast.expr], what: str) -> _Change:
    before = (node.op, node.values)

    def put(operator: ast.boolop, values: list[ast.expr]) -> None:
        node.op, node.values = operator, values

    return _Change(_place(node), what, lambda: put(operator, values), lambda: put(*before))


def _replacing(node: ast.Compare, row: list[ast.cmpop], place: int, other: ast.cmpop, what: str) -> _Change:
    before = row[place]
    return _Change(
        _place(node),
        f"{what} in {ast.unparse(node)}",
        lambda: row.__setitem__(place, other),
        lambda: row.__setitem__(place, before),
    )


def _setting(node: ast.expr, field: str, value: object, what: str) -> _Change:
    before = getattr(node, field)
    return _Change(_place(node), what, lambda: setattr(node, field, value), lambda: setattr(node, field, before))


def _place(node: ast.expr) -> str:
    return f"{node.lineno}:{node.col_offset}"


def _spoken(operator: ast.AST) -> str:
    return type(operator).__name__
