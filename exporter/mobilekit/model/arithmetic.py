"""Whether a text that torch evaluates as Python is arithmetic and nothing else: shape expressions and guards.

torch.export.load hands shape expressions to sympy, which evaluates them, and compiles guards into a function. Both
are looked at here as syntax trees, which runs nothing; what is not known to be plain is refused.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

_SHAPE_FUNCTION = re.compile(
    """Symbol|Integer|Rational|Float|Add|Mul|Pow|Mod|Max|Min|Abs|sqrt|floor|ceiling|Piecewise|Tuple
    |Eq|Ne|Ge|Gt|Le|Lt|Equality|Unequality|GreaterThan|StrictGreaterThan|LessThan|StrictLessThan|And|Or|Not
    |FloorDiv|CeilDiv|CleanDiv|IntTrueDiv|FloatTrueDiv|PythonMod|ModularIndexing|PowByNatural|FloatPow|LShift|RShift
    |ToFloat|TruncToInt|TruncToFloat|CeilToInt|FloorToInt|RoundToInt|RoundDecimal|Where|Identity
    |IsNonOverlappingAndDenseIndicator""",
    re.VERBOSE,
)
_SHAPE_KEYWORD = re.compile("positive|integer|negative|nonnegative|real|finite|zero|nonzero|evaluate|precision")
_GUARD_FUNCTION = re.compile(
    """size|stride|storage_offset|numel|dim|isnan|floor|ceil|trunc|sqrt|float|int|abs|min|max|round
    |cast_symbool_to_symint_guardless|IsNonOverlappingAndDenseIndicator
    |sym_max|sym_min|sym_ite|sym_not|sym_float|sym_int|_sym_sqrt""",
    re.VERBOSE,
)
_GUARD_NAME = re.compile(f"L|math|torch|inf|{_GUARD_FUNCTION.pattern}", re.VERBOSE)
_GUARD_ATTRIBUTE = re.compile(f"shape|inf|pi|e|{_GUARD_FUNCTION.pattern}", re.VERBOSE)
_WORD = re.compile(r"[A-Za-z0-9_.\-]*\Z")
_POWERS = frozenset(["Pow", "PowByNatural", "FloatPow", "LShift"])
_LARGEST_EXPONENT = 64
_LONGEST = 20_000

_PLAIN_NODES = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Tuple,
    ast.Load,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
)


def is_shape_expression(text: str) -> bool:
    """Whether `text` is a sympy expression over symbols and numbers: `Add(Symbol('s0', integer=True), Integer(1))`."""
    return _all_nodes(text, _plain_in_shape)


def is_guard(text: str) -> bool:
    """Whether `text` only compares sizes of inputs: `L['x'].size()[0] <= 2 * L['y'].size()[0]`."""
    return _all_nodes(text, _plain_in_guard)


def _all_nodes(text: str, plain: Callable[[ast.AST], bool]) -> bool:
    if len(text) > _LONGEST:
        return False
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(plain(node) for node in ast.walk(tree))


def _plain_in_shape(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        return _SHAPE_FUNCTION.fullmatch(name) is not None and (
            name not in _POWERS or all(_small(power) for power in node.args[1:])
        )
    if isinstance(node, ast.keyword):
        return _SHAPE_KEYWORD.fullmatch(node.arg or "") is not None
    if isinstance(node, ast.Name):
        return not node.id.startswith("_")
    return _plain(node)


def _plain_in_guard(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        function = node.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        return _GUARD_FUNCTION.fullmatch(name) is not None and not node.keywords
    if isinstance(node, ast.Attribute):
        return _GUARD_ATTRIBUTE.fullmatch(node.attr) is not None
    if isinstance(node, ast.Name):
        return _GUARD_NAME.fullmatch(node.id) is not None
    return isinstance(node, ast.Subscript) or _plain(node)


def _plain(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return _WORD.match(node.value) is not None if isinstance(node.value, str) else _is_number(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return _small(node.right)
    return isinstance(node, _PLAIN_NODES)


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _small(exponent: ast.AST) -> bool:
    """Whether an exponent is a small constant: `9**9**9` would keep torch busy for good."""
    if isinstance(exponent, ast.Call):
        number = isinstance(exponent.func, ast.Name) and exponent.func.id in ("Integer", "Rational", "Float")
        return number and all(_small(part) for part in exponent.args)
    if isinstance(exponent, ast.UnaryOp):
        return _small(exponent.operand)
    value = exponent.value if isinstance(exponent, ast.Constant) else None
    try:
        return isinstance(value, int | float | str) and abs(float(value)) <= _LARGEST_EXPONENT
    except ValueError:
        return False
