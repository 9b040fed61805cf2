"""Expressions agree with plain Python, and no text does anything but parse or raise SpaceError."""

import ast
import math
import re

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strategy_optimizer.errors import SpaceError
from strategy_optimizer.space import Categorical, Continuous, Discrete, ParameterSpace

EXAMPLES = settings(max_examples=300, deadline=None)

SPACE = ParameterSpace(
    "s",
    {
        "a": Continuous(-5, 5),
        "b": Continuous(-5, 5, step=0.5),
        "n": Discrete(-3, 3),
        "k": Categorical([1, 2, 0, -3]),
        "s": Categorical(["red", "green", "blue"]),
        "r": Categorical(["green", "red"]),
        "f": Categorical([False, True]),
    },
)
POINTS = SPACE.sample(300, 4)
POINTS[:60, 0] = np.rint(POINTS[:60, 0])  # so that equalities and zero divisions happen
ROWS = SPACE.to_dicts(POINTS)

NUMBERS = st.one_of(
    st.sampled_from(["a", "b", "n", "k"]),
    st.integers(-4, 4).map(lambda v: str(v) if v >= 0 else f"({v})"),
    st.sampled_from(["0.5", "1.25", "2.0"]),
)


def binary(operands, operators):
    return st.tuples(operands, st.sampled_from(operators), operands).map(lambda t: f"({t[0]} {t[1]} {t[2]})")


ARITHMETIC = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        binary(inner, ["+", "-", "*", "/", "//", "%"]),
        inner.map(lambda x: f"(-{x})"),
        inner.map(lambda x: f"abs({x})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
    ),
    max_leaves=6,
)
COMPARISONS = st.one_of(
    binary(ARITHMETIC, ["<", "<=", ">", ">=", "==", "!="]),
    st.tuples(ARITHMETIC, ARITHMETIC, ARITHMETIC).map(lambda t: f"({t[0]} <= {t[1]} < {t[2]})"),
    st.sampled_from(["f", "(s == 'red')", "('blue' != s)", "(s == r)", "(f == True)", "(f != (a < b))"]),
)
TRUTHS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(binary(inner, ["and", "or"]), inner.map(lambda x: f"(not {x})")),
    max_leaves=5,
)


def slowly(expression, row):
    """Return what plain Python says, in floats; dividing by zero or meeting NaN is False."""
    floats = {name: value if isinstance(value, str | bool) else float(value) for name, value in row.items()}

    def number(x):
        if math.isnan(x):
            raise ZeroDivisionError
        return x

    def walk(node):
        match node:
            case ast.Constant(value=value):
                return value if isinstance(value, str | bool) else float(value)
            case ast.Name(id=name):
                return floats[name]
            case ast.UnaryOp(op=ast.Not()):
                return not walk(node.operand)
            case ast.UnaryOp():
                return -walk(node.operand)
            case ast.BoolOp(op=ast.And()):
                return all(walk(value) for value in node.values)
            case ast.BoolOp():
                return any(walk(value) for value in node.values)
            case ast.Call():
                return {"min": min, "max": max, "abs": abs}[node.func.id](*map(walk, node.args))
            case ast.BinOp():
                left, right = walk(node.left), walk(node.right)
                match node.op:
                    case ast.Add():
                        return number(left + right)
                    case ast.Sub():
                        return number(left - right)
                    case ast.Mult():
                        return number(left * right)
                    case ast.Div():
                        return number(left / right)
                    case ast.FloorDiv():
                        return number(left // right)
                    case _:
                        return number(left % right)
            case ast.Compare():
                left = walk(node.left)
                for op, comparator in zip(node.ops, node.comparators, strict=True):
                    right = walk(comparator)
                    if not compare(op, left, right):
                        return False
                    left = right
                return True
        raise AssertionError(ast.dump(node))

    try:
        return walk(ast.parse(expression, mode="eval").body)
    except ZeroDivisionError:
        return False


def compare(op, left, right):
    match op:
        case ast.Lt():
            return left < right
        case ast.LtE():
            return left <= right
        case ast.Gt():
            return left > right
        case ast.GtE():
            return left >= right
        case ast.Eq():
            return left == right
        case _:
            return left != right


def refused(call):
    """Return the SpaceError which `call` raises, or None; any other exception escapes."""
    try:
        call()
    except SpaceError as error:
        return error
    return None


@EXAMPLES
@given(TRUTHS)
@example("(not ((a / n) > 1))")
@example("((n == 0) or ((a / n) > 0))")
@example("(((a / n) > 0) or (n == 0))")
@example("(a <= (b % n) < (n // k))")
def test_vectorised_equals_plain_python(expression):
    refusal = refused(lambda: SPACE.with_constraints(expression))
    if refusal:
        assert re.search("names no parameter|too large|characters|brackets", str(refusal))
        return
    space = SPACE.with_constraints(expression)
    expected = [slowly(expression, row) for row in ROWS]
    assert space.is_feasible(POINTS).tolist() == expected
    assert [bool(space.is_feasible(POINTS[n : n + 1])[0]) for n in range(0, 300, 60)] == expected[::60]


@EXAMPLES
@given(TRUTHS)
def test_conditions_mean_the_same_as_constraints(expression):
    if refused(lambda: SPACE.with_constraints(expression)):
        return
    constrained = SPACE.with_constraints(expression)
    conditional = SPACE.copy().add_parameter("z", "discrete", (0, 9), condition=expression)
    active = ~np.isnan(conditional.deactivate(np.column_stack([POINTS, np.zeros(300)]))[:, -1])
    assert np.array_equal(active, constrained.is_feasible(POINTS))


WORDS = """a b n k s f 'red' 'x' 1 0 1e9 1j 0x1f 1_0 1if ( ) [ ] { } , . : ; = == != < > <= >= + - * ** / // %
@ & | ^ ~ := -> and or not in is if else for lambda yield await async import None True ... min max abs print
__class__ f'' b'' " ''' # é ａ"""
TOKENS = st.sampled_from([*WORDS.split(), "\\", " ", "\n", "\t", "\0"])
TOKEN_LISTS = st.lists(TOKENS, max_size=25)


@EXAMPLES
@given(st.one_of(st.text(max_size=60), TOKEN_LISTS.map(" ".join), TOKEN_LISTS.map("".join)))
@example("(" * 300)
@example("-" * 490 + "a>1")
@example("a" + "<a" * 240)
@example("not(" * 120 + "f" + ")" * 120)
@example("a.__class__.__bases__[0].__subclasses__() == 1")
@example("1if a else b")
@example("'\\N{BELL}' == s")
def test_any_text_parses_or_is_a_space_error(text):
    uses = (
        lambda: SPACE.with_constraints(text).is_feasible(POINTS[:5]),
        lambda: SPACE.copy().add_parameter("z", "discrete", (0, 9), condition=text).sample(2, 0),
    )
    assert all(len(str(refused(use))) < 700 for use in uses)


FIELDS = st.sampled_from(["type", "bounds", "choices", "default", "step", "log", "condition", "x"])
KINDS = st.sampled_from(["discrete", "continuous", "categorical"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), KINDS)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=4)


@EXAMPLES
@given(st.dictionaries(FIELDS, VALUES), KINDS, st.booleans())
def test_any_json_is_a_parameter_or_a_space_error(spec, kind, plausible):
    spec = {**spec, "type": kind} if plausible else spec
    refusal = refused(lambda: ParameterSpace.from_json({"x": spec}))
    if refusal:
        assert refusal.parameter == "x"
        return
    space = ParameterSpace.from_json({"x": spec})
    assert space.is_feasible(space.sample(3, 0)).all()
