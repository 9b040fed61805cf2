"""Strings that look like constraints, or like attempts to break out of one, and what must be true of each.

`strings` gives them, `Watch` sees what the interpreter does meanwhile, `tried` says how one ended.
"""

from __future__ import annotations

import ast
import random
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from strategy_optimizer import Categorical, Continuous, Discrete, ParameterSpace
from strategy_optimizer.errors import SpaceError

SPACE = ParameterSpace(
    "fuzzed",
    {
        "a": Continuous(-5, 5),
        "n": Discrete(-3, 3),
        "k": Categorical([1, 2, 0, -3]),
        "s": Categorical(["red", "green", "blue"]),
        "f": Categorical([False, True]),
    },
)
POINTS = SPACE.sample(16, 0)
LIMIT = 5e-3
"""Seconds of processor time that a string may take."""

# Written down from public reports on asteval, simpleeval, Jinja, RestrictedPython and Python jails.
CORPUS = [
    "().__class__.__bases__[0].__subclasses__()",
    "a.__class__.__mro__[-1].__subclasses__()[40]('/etc/passwd').read() == 1",
    "''.__class__.__mro__[1].__subclasses__() == s",
    "(lambda: 0).__globals__ == 1",
    "(lambda:(yield))() == 1",
    "__import__('os').system('id') == 0",
    "__builtins__['eval']('1') == 1",
    "eval('a') > 1",
    "exec('a=1') == 1",
    "compile('1','','eval') == 1",
    "open('/etc/passwd') == 1",
    "getattr(a, '__class__') == 1",
    "abs.__self__.__import__('os') == 1",
    "min.__self__ == a",
    "abs(a).__class__ == 1",
    "abs.__call__(a) > 1",
    "min(*[a, n]) > 1",
    "min(**{'a': 1}) > 1",
    "min(a, n, key=abs) > 1",
    "max(a, n, default=().__class__) > 1",
    "min(abs, max) == 1",
    "abs(abs) > 1",
    "min((a for a in [1]), 2) > 1",
    "[x for x in ().__class__.__bases__] == 1",
    "{a for a in (1,)} == 1",
    "{**{}} == a",
    "(a := 1) > 0",
    "(abs := eval) == 1",
    "f'{a.__class__}' == s",
    "f'{__import__(\"os\")}' == s",
    "'{0.__class__}'.format(a) == s",
    "'%s' % a == s",
    "s % () == s",
    "s * 1000000000 == s",
    "'x' * 10000000000 == s",
    "b'x' == s",
    "a ** 9 ** 9 ** 9 > 1",
    "9**9**9**9 > a",
    "2 ** -1 > a",
    "1 << 10000000 > a",
    "~a > 1",
    "a @ a > 1",
    "a if f else n",
    "a[0] > 1",
    "a[...] > 1",
    "a[::1] > 1",
    "s['__class__'] == 1",
    "a is not n",
    "a in (1, 2)",
    "a not in s",
    "not a",
    "... == a",
    "None == a",
    "Ellipsis == a",
    "__debug__ and a > 1",
    "__name__ == s",
    "__file__ == s",
    "self.a > 1",
    "lambda a: a",
    "await a",
    "yield a",
    "async def f(): pass",
    "import os",
    "a > 1; import os",
    "a > 1\nimport os",
    "a > 1 #",
    "a > 1 \\\n and n > 1",
    "raise SystemExit",
    "assert a",
    "del a",
    "global a",
    "print(a) == 1",
    "exit() == 1",
    "breakpoint() == 1",
    "help() == 1",
    "vars() == 1",
    "locals() == 1",
    "globals() == 1",
    "type(a) == 1",
    "object.__subclasses__() == 1",
    "str(a) == s",
    "int('9'*4300) > a",
    "numpy.load('x') == 1",
    "np.ctypeslib == 1",
    "__loader__.load_module('os') == 1",
    "__spec__ == 1",
    "config.__class__.__init__.__globals__ == 1",
    "{{ a.__class__ }}",
    "{% import os %}",
    "${a}",
    "#{a}",
    "{{7*7}} > a",
    "a.__dict__ == 1",
    "a.real.__class__ == 1",
    "n.bit_length() > 1",
    "n.to_bytes(1, 'little') == 1",
    "s.encode() == 1",
    "s.format_map({}) == s",
    "f.__or__(a) == 1",
    "True.__class__ == 1",
    "1 .__class__ == a",
    "1..__class__ == a",
    "a.__setattr__('x', 1) == 1",
    "(a, n) == (1, 2)",
    "a == (1, 2)",
    "[a] == [1]",
    "{'a': a} == 1",
    "{a} == 1",
    "*a == 1",
    "**a == 1",
    "a, n",
    "a = 1",
    "a += 1",
    "a -> n",
    "@a",
    "a!",
    "a ? n : 1",
    "a && n",
    "a || n",
    "a <> n",
    "`a` == 1",
    "a == 'red'",
    "s == 'red' == 'red'",
    "s < 'red'",
    "s + s == 'redred'",
    "abs(s) > 1",
    "min(s, 'x') == s",
    "'\\x41' == s",
    "'\\N{BELL}' == s",
    "u'red' == s",
    "r'red' == s",
    "'re' 'd' == s",
    "'''red''' == s",
    "1e309 > a",
    "-1e309 < a",
    "1e308 * 10 > a",
    "1_000_000 > a",
    "0x7fffffffffffffff > a",
    "0b" + "1" * 400 + " > a",
    "9" * 400 + " > a",
    "1" + "0" * 300 + ".0 > a",
    "1j > a",
    "1e-999 < a",
    "a / 0 > 1",
    "a // 0 > 1",
    "a % 0 > 1",
    "0 / 0 == a",
    "((((((((((a)))))))))) > 1",
    "(" * 60 + "a" + ")" * 60 + " > 1",
    "(" * 240 + "a > 1" + ")" * 240,
    "[" * 240 + "]" * 240,
    "{" * 240 + "}" * 240,
    "-" * 490 + "a > 1",
    "+-" * 240 + "a > 1",
    "not " * 120 + "f",
    "~" * 490 + "a",
    "a" + " + a" * 120 + " > 1",
    "a" + " < a" * 120,
    "a" + " ** a" * 90 + " > 1",
    "a" + ".a" * 240 + " > 1",
    "a" + "[0]" * 160 + " > 1",
    "a" + "()" * 240 + " > 1",
    "f(" * 160 + ")" * 160,
    "abs(" * 100 + "a" + ")" * 100 + " > 1",
    "min(a, " * 60 + "a" + ")" * 60 + " > 1",
    "lambda: " * 60 + "a",
    "a if a else " * 40 + "a",
    "a or " * 100 + "f",
    "(a > 1) == " * 40 + "f",
    "f == " * 90 + "f",
    "f != (" * 18 + "f" + ")" * 18,
    "x for x in " * 40 + "a",
    "a\0 > 1",
    "a > 1\0__import__('os')",
    "\0",
    "",
    " ",
    "\n",
    "\t\ta > 1",
    "\ufeffa > 1",
    "a\u00a0> 1",
    "a \u2028 > 1",
    "a > \u0661",
    "\uff41 > 1",
    "\u1d43 > 1",
    "\U0001d41a > 1",
    "a\u0301 > 1",
    "__\uff43lass__ == 1",
    "\u202ea > 1",
    "a > \ud800",
    "\U000e0041 > 1",
    "\u00aa > 1",
    "\uff4din(a, n) > 1",
    "\U0001d552\U0001d553\U0001d564(a) > 1",
    "\u2460 > a",
    "a \u2212 n > 1",
    "a \uff1c n",
    "a\x0c> 1",
    "a\r> 1",
    "a\x1b[2J > 1",
    "# -*- coding: utf-7 -*-\na > 1",
    "# -*- coding: rot13 -*-\nn > 1",
    "type: ignore",
    "a # type: ignore",
    "(yield) == a",
    "(a for a in a) == 1",
    "print(*a, sep='') == 1",
    "match a: pass",
    "type X = int",
    "except* a",
]

_WORDS = (
    *("a n k s f x abs min max sum pow and or not in is if else for lambda True False None").split(),  # noqa: SIM905
    *("( ) [ ] { } , . : ; = == != < > <= >= + - * ** / // % @ & | ^ ~ := ->").split(),  # noqa: SIM905
    *("0 1 2 0.5 1e9 1e300 1e999 10000000000000000 0x1f 1_0 1j 'red' \"red\" '' ''' f'' b''").split(),  # noqa: SIM905
    *("__class__ .__class__ __import__ ().__class__ [0] () \\ # \u00e9 \uff41 \ud800 \u2028").split(" "),  # noqa: SIM905
    *("\0", "\n", "\t"),
)
_NUMBERS = st.sampled_from(["a", "n", "k", "1", "0.5", "-2", "1e300", "0"])
_ARITHMETIC = st.recursive(
    _NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(" ".join),
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), inner).map(
            lambda t: f"({' '.join(t)})"
        ),
        st.tuples(st.sampled_from(["min", "max", "abs", "sum"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
        inner.map(lambda x: f"-{x}"),
        inner.map(lambda x: f"abs({x})"),
    ),
    max_leaves=12,
)
_COMPARED = st.tuples(
    _ARITHMETIC, st.sampled_from(["<", "<=", ">", ">=", "==", "!=", "is", "in"]), _ARITHMETIC
).map(" ".join)
_TRUTHS = st.recursive(
    st.one_of(_COMPARED, st.sampled_from(["f", "s == 'red'", "'x' != s", "f == True", "a < n < k"])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "==", "<", "if"]), inner).map(" ".join),
        inner.map(lambda x: f"not {x}"),
        inner.map(lambda x: f"({x})"),
    ),
    max_leaves=8,
)
_TOKENS = st.lists(st.sampled_from(_WORDS), max_size=40)
_NEAR = st.one_of(_TRUTHS, _COMPARED, _TOKENS.map(" ".join), _TOKENS.map("".join), st.text(max_size=80))


def hypothesis_strings(count: int, number: int) -> list[str]:
    """Return strings that Hypothesis makes; at most about 10,000 at a time."""
    found: list[str] = []

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_NEAR)
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return found


def strings(count: int, number: int = 0, made: int = 5000) -> Iterator[str]:
    """Yield the corpus, what Hypothesis makes, and changes and marriages of both, `count` in all."""
    pool = [*CORPUS, *hypothesis_strings(min(made, count), number)]
    yield from pool[:count]
    rng = random.Random(number)
    for _ in range(count - len(pool)):
        yield _changed(rng, pool)


def _changed(rng: random.Random, pool: list[str]) -> str:
    text = rng.choice(pool)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        text = rng.choice(_CHANGES)(rng, text, pool)
    return text[: rng.choice((60, 200, 500, 501, 2000))]


def _insert(rng: random.Random, text: str, pool: list[str]) -> str:
    at = rng.randint(0, len(text))
    return text[:at] + rng.choice(_WORDS) + text[at:]


def _drop(rng: random.Random, text: str, pool: list[str]) -> str:
    at = rng.randint(0, len(text))
    return text[:at] + text[at + rng.randint(1, 8) :]


def _splice(rng: random.Random, text: str, pool: list[str]) -> str:
    other = rng.choice(pool)
    return text[: rng.randint(0, len(text))] + other[rng.randint(0, len(other)) :]


def _join(rng: random.Random, text: str, pool: list[str]) -> str:
    return f"({text}) {rng.choice(('and', 'or', '<', '==', '+', '*', '.', 'if'))} ({rng.choice(pool)})"


def _nest(rng: random.Random, text: str, pool: list[str]) -> str:
    left, right = rng.choice(
        (
            ("(", ")"),
            ("-", ""),
            ("abs(", ")"),
            ("not ", ""),
            ("[", "]"),
            ("min(1,", ")"),
            ("{", "}"),
            ("f'{", "}'"),
        )
    )
    times = rng.choice((1, 2, 5, 21, 120))
    return left * times + text + right * times


def _number(rng: random.Random, text: str, pool: list[str]) -> str:
    digits = "9" * rng.choice((1, 15, 16, 19, 310, 480))
    return text.replace(rng.choice("012"), rng.choice(("", "-", "0x", "1e", "0.", "1e-")) + digits, 1)


def _letter(rng: random.Random, text: str, pool: list[str]) -> str:
    at = rng.randint(0, len(text))
    return (
        text[:at]
        + chr(rng.choice((rng.randrange(128), rng.randrange(0x3000), rng.randrange(0x110000))))
        + text[at + 1 :]
    )


def _repeat(rng: random.Random, text: str, pool: list[str]) -> str:
    start = rng.randint(0, len(text))
    part = text[start : start + rng.randint(1, 12)]
    return text[:start] + part * rng.choice((2, 3, 20, 90)) + text[start:]


_CHANGES = (_insert, _insert, _drop, _splice, _join, _nest, _number, _letter, _repeat)


# -- watching --------------------------------------------------------------------------------------------------


class Watch:
    """Sees what the interpreter does beside computing, by an audit hook: there is no other way out of it.

    A hook stays for the life of the process; `is_on` says when it looks.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_on and event != "builtins.id":
            if event == "compile" and arguments[1] == "<unknown>":  # that is `ast.parse`
                return
            self.seen.append(event)


@dataclass(frozen=True)
class Outcome:
    """How a string ended: accepted or refused, its processor time, and what is wrong with that."""

    accepted: bool
    seconds: float
    problem: str = ""


def tried(text: str, watch: Watch) -> Outcome:
    """Return how a string fares as a constraint, evaluated on some points, and as a condition."""
    watch.seen.clear()
    watch.is_on = True
    problem, accepted = "", False
    began = time.thread_time()
    try:
        accepted = _use(text)
    except SpaceError as error:
        problem = "" if len(str(error)) < 700 else "a refusal without end"
    except BaseException as error:
        problem = f"{type(error).__name__}: {error}"
    seconds = time.thread_time() - began
    watch.is_on = False
    if watch.seen:
        problem = f"the interpreter did {watch.seen[:3]}"
    elif accepted and not problem:
        problem = _beyond_grammar(text)
    return Outcome(accepted, seconds, problem)


def _use(text: str) -> bool:
    space = SPACE.with_constraints(text)
    answer = space.is_feasible(POINTS)
    if answer.shape != (len(POINTS),) or answer.dtype != np.bool_:
        raise TypeError(f"the answer is {answer!r}")
    return True


_KNOWN = {"a", "n", "k", "s", "f", "min", "max", "abs"}


def _beyond_grammar(text: str) -> str:
    """Look at an accepted text with other eyes: what is in it that the grammar does not have?"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text.strip(), mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in _KNOWN:
            return f"accepted the name {node.id!r}"
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and not node.keywords):
            return "accepted a call"
        if type(node).__name__ not in _SYNTAX:
            return f"accepted {type(node).__name__}"
    return ""


_SYNTAX = {
    *(
        "Expression",
        "BoolOp",
        "And",
        "Or",
        "UnaryOp",
        "Not",
        "USub",
        "UAdd",
        "BinOp",
        "Add",
        "Sub",
        "Mult",
        "Div",
    ),
    *(
        "FloorDiv",
        "Mod",
        "Compare",
        "Lt",
        "LtE",
        "Gt",
        "GtE",
        "Eq",
        "NotEq",
        "Call",
        "Name",
        "Load",
        "Constant",
    ),
}
