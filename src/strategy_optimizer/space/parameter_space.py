"""The parameter space: what a search may try, and everything a search asks about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from strategy_optimizer.errors import SpaceError
from strategy_optimizer.space.checks import Value
from strategy_optimizer.space.codec import document, make_parameter, parameter_from_json, split_document
from strategy_optimizer.space.constraints import Constraint, describe, fingerprint, named_parameter
from strategy_optimizer.space.definition import check_condition, check_name, check_parameter
from strategy_optimizer.space.evaluation import Rule
from strategy_optimizer.space.expressions import parse_expression, shorten
from strategy_optimizer.space.layout import Layout
from strategy_optimizer.space.narrowing import narrowed
from strategy_optimizer.space.neighbourhood import neighbours
from strategy_optimizer.space.overriding import fixed, overridden
from strategy_optimizer.space.parameters import Parameter
from strategy_optimizer.space.records import from_dicts
from strategy_optimizer.space.sampling import sample

FloatArray: TypeAlias = NDArray[np.float64]


class ParameterSpace:
    """Named parameters with conditions, and constraints between them.

    Points are plain dicts, or rows of an array: float64 of shape (n, d), natural units, columns in the order
    of the parameters, a categorical one as the index of its choice, NaN where a parameter is inactive
    ("canonical"). A "dense" array has a value everywhere. Nothing here changes an array it is given.

    Parameters
    ----------
    name : str
        For messages; not part of the space's identity.
    parameters : mapping of str to Parameter, optional
        In column order. Conditions may name parameters that come later in the mapping.
    constraints : sequence of str or callable
        As for `add_constraint`.

    Examples
    --------
    >>> space = ParameterSpace("ma_cross")
    >>> _ = space.add_parameter("fast", "discrete", (2, 50), 10)
    >>> _ = space.add_parameter("slow", "discrete", (10, 200), 50)
    >>> _ = space.add_constraint("fast < slow")
    >>> space.defaults()
    {'fast': 10, 'slow': 50}
    >>> points = space.sample(1000, np.random.default_rng(0))
    >>> bool(space.is_feasible(points).all())
    True
    """

    def __init__(
        self,
        name: str = "space",
        parameters: Mapping[str, Parameter] | None = None,
        constraints: Sequence[Constraint] = (),
    ) -> None:
        self.name = name
        self._parameters: dict[str, Parameter] = {}
        self._constraints: tuple[Constraint, ...] = ()
        self._bound: Layout | None = None
        for key, parameter in (parameters or {}).items():
            check_name(key, self._parameters)
            check_parameter(key, parameter)
            self._parameters[key] = parameter
        if isinstance(constraints, str):
            raise SpaceError(f"constraints must be a list, found the text {shorten(constraints)}")
        for constraint in constraints:
            self.add_constraint(constraint)
        if self._parameters:
            _ = self._layout  # reports unknown names and cycles in conditions now

    # -- definition ----------------------------------------------------------------------------------------

    def add_parameter(
        self,
        name: str,
        kind: str,
        domain: Any,
        default: Any = None,
        *,
        log: bool = False,
        step: float | None = None,
        condition: str | None = None,
    ) -> Self:
        """Add a parameter and return the space.

        Parameters
        ----------
        name : str
            An identifier, new to the space.
        kind : {"continuous", "discrete", "categorical"}
            What `domain` means: inclusive bounds ``(low, high)``, or the list of choices.
        default, log, step, condition
            As for `Continuous`, `Discrete` and `Categorical`. The condition may name parameters that the
            space already has.
        """
        check_name(name, self._parameters)
        try:
            options = {"default": default, "log": log or None, "step": step, "condition": condition}
            parameter = make_parameter(kind, domain, options)
        except SpaceError as error:
            raise SpaceError(f"parameter '{name}': {error}", parameter=name) from None
        if condition is not None:
            check_condition(name, condition, self._parameters)
        self._parameters = {**self._parameters, name: parameter}
        self._bound = None
        return self

    def add_constraint(self, constraint: Constraint) -> Self:
        """Add a constraint and return the space.

        Parameters
        ----------
        constraint : str or callable
            An expression over parameters which the space already has, such as ``"fast < slow"``; or a
            function of one plain dict that returns True or False. It holds where it names an inactive
            parameter (for a function: where it asks the dict for one and finds none).
        """
        if isinstance(constraint, str):
            Rule(parse_expression(constraint), self._parameters)
        elif not callable(constraint):
            raise SpaceError(f"a constraint must be an expression or a function, found {shorten(constraint)}")
        self._constraints = (*self._constraints, constraint)
        self._bound = None
        return self

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters by name, in column order (read-only)."""
        return MappingProxyType(self._parameters)

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The constraints as they were added."""
        return self._constraints

    @property
    def names(self) -> tuple[str, ...]:
        """The parameter names, in column order."""
        return tuple(self._parameters)

    @property
    def n_dims(self) -> int:
        """Number of parameters, d."""
        return len(self._parameters)

    @property
    def _layout(self) -> Layout:
        """The bound form; when two threads build it at once, either result serves."""
        bound = self._bound
        if bound is None:
            bound = self._bound = Layout(self._parameters, self._constraints)
        return bound

    # -- one point as a dict -------------------------------------------------------------------------------

    def defaults(self) -> dict[str, Value]:
        """Return the default (or middle, or first choice) of each active parameter, constraints unchecked."""
        layout = self._layout
        return layout.to_dicts(layout.activation.deactivate(layout.columns.defaults[None, :]))[0]

    def validate(self, params: Mapping[str, Any]) -> dict[str, Value]:
        """Return `params` as canonical Python values, or raise SpaceError naming the parameter.

        Parameters
        ----------
        params : mapping
            All active parameters. Values of inactive ones, and None, are dropped.
        """
        layout = self._layout
        points = self.from_dicts([params])
        for constraint, share in layout.constraints.violated(points):
            if share:
                found = layout.to_dicts(points)[0]
                problem = f"the parameters {found} violate the constraint {describe(constraint)}"
                raise SpaceError(problem, parameter=named_parameter(constraint))
        return layout.to_dicts(points)[0]

    def sample_random(self, rng: Generator | int | None = None) -> dict[str, Value]:
        """Return one random feasible point as a dict; `rng` is a generator, a seed or None."""
        return self.to_dicts(self.sample(1, np.random.default_rng(rng)))[0]

    # -- populations as arrays -----------------------------------------------------------------------------

    def sample(self, n: int, rng: Generator | int | None, method: str = "uniform") -> FloatArray:
        """Return `n` feasible canonical points (n, d); the same points for the same generator state.

        Parameters
        ----------
        n : int
            Number of points. A finite space repeats points when it must.
        rng : numpy.random.Generator, int or None
            Source of randomness, or a seed.
        method : {"uniform", "sobol"}
            Independent points, or a scrambled Sobol sequence (more even).

        Raises
        ------
        SpaceError
            When the space has no feasible point, or none was found within a bounded effort.
        """
        return sample(self._layout, n, np.random.default_rng(rng), method)

    def snap(self, dense: ArrayLike) -> FloatArray:
        """Return `dense` (n, d) clipped to the bounds and moved to the nearest grid value; NaN stays NaN."""
        layout = self._layout
        return layout.columns.snap(layout.matrix(dense))

    def deactivate(self, dense: ArrayLike) -> FloatArray:
        """Return a copy of `dense` (n, d) with NaN where a parameter is inactive."""
        layout = self._layout
        return layout.activation.deactivate(layout.matrix(dense))

    def is_feasible(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Return which points (n,) lie within bounds and on the grid, and satisfy all constraints.

        Values of inactive parameters are ignored, so dense arrays may be asked about too. NaN in an active
        parameter is infeasible.
        """
        layout = self._layout
        return layout.feasible(layout.matrix(points))

    def to_unit(self, points: ArrayLike) -> FloatArray:
        """Return unit-cube coordinates (n, d); NaN stays NaN.

        Grid values and choices sit in the middle of equal cells (whole numbers on a log scale: of cells of
        equal ratio), continuous bounds at 0 and 1.
        """
        layout = self._layout
        return layout.columns.to_unit(layout.matrix(points))

    def from_unit(self, unit: ArrayLike) -> FloatArray:
        """Return the canonical points (n, d) at unit-cube coordinates; NaN stays NaN.

        Continuous values are rounded to about 13 significant digits: ``from_unit(to_unit(p)) == p`` to
        the last bit for points made by this space and for numbers as people write them. (Not rounded: log
        ranges over more than six decades, bounds beyond 1e-8 .. 1e13, bounds that agree in six digits.)
        """
        layout = self._layout
        return layout.activation.deactivate(layout.columns.from_unit(layout.matrix(unit)))

    def to_dicts(self, points: ArrayLike) -> list[dict[str, Value]]:
        """Return one dict of plain Python values per point, without inactive parameters."""
        layout = self._layout
        return layout.to_dicts(layout.matrix(points))

    def from_dicts(self, params: Sequence[Mapping[str, Any]]) -> FloatArray:
        """Return canonical points (n, d) of dicts; constraints are not checked.

        Raises
        ------
        SpaceError
            Naming the parameter which is unknown, missing while active, of the wrong type, outside its bounds
            or off its step. Values of inactive parameters are dropped.
        """
        layout = self._layout
        return from_dicts(self._parameters, params, layout.activation.deactivate)

    def neighbours(self, point: Mapping[str, Any] | ArrayLike) -> FloatArray:
        """Return the feasible canonical points (m, d) one move from `point`, without it and without repeats.

        A move is one step up or down, 5 % of the (log) range for a continuous parameter without a step, or
        another choice. A parameter that a move activates takes its default.
        """
        layout = self._layout
        if isinstance(point, Mapping):
            return neighbours(layout, self.from_dicts([point])[0])
        rows = layout.matrix(np.atleast_2d(np.asarray(point, dtype=np.float64)))
        if len(rows) != 1:
            raise SpaceError(f"neighbours takes one point, found {len(rows)}")
        return neighbours(layout, layout.activation.deactivate(rows)[0])

    def keys(self, points: ArrayLike) -> NDArray[np.uint64]:
        """Return the identity of canonical points as 64-bit hashes (n,); NaN equals NaN, -0.0 equals 0.0."""
        layout = self._layout
        return layout.columns.keys(layout.matrix(points))

    def distinct(self, points: ArrayLike) -> FloatArray:
        """Return canonical `points` (n, d) without repeats, in order of first appearance."""
        rows = self._layout.matrix(points)
        _, first = np.unique(self.keys(rows), return_index=True)
        return rows[np.sort(first)]

    @property
    def cardinality(self) -> int | None:
        """Number of points with constraints and conditions ignored; None when there are infinitely many."""
        return self._layout.cardinality

    def enumerate(self, limit: int) -> FloatArray | None:
        """Return every feasible canonical point once (m, d), the last parameter varying fastest.

        None when `cardinality` is infinite or above `limit`.
        """
        size = self.cardinality
        return None if size is None or size > limit else self._layout.every_feasible()

    # -- arrays for vectorised operators (read-only, shape (d,)) -------------------------------------------

    @property
    def kinds(self) -> NDArray[np.int8]:
        """0 continuous, 1 discrete, 2 categorical."""
        return self._layout.columns.kinds

    @property
    def lows(self) -> FloatArray:
        """Lower bounds; 0 for categorical."""
        return self._layout.columns.lows

    @property
    def highs(self) -> FloatArray:
        """Upper bounds; number of choices - 1 for categorical."""
        return self._layout.columns.highs

    @property
    def steps(self) -> FloatArray:
        """Distance between neighbouring values; 1 for categorical, 0 for continuous without a step."""
        return self._layout.columns.steps

    @property
    def sizes(self) -> FloatArray:
        """Number of values; inf for continuous without a step."""
        return self._layout.columns.sizes

    @property
    def is_log(self) -> NDArray[np.bool_]:
        """Whether the scale is logarithmic."""
        return self._layout.columns.is_log

    @property
    def default_values(self) -> FloatArray:
        """The dense default point."""
        return self._layout.columns.defaults

    # -- copies and other forms ----------------------------------------------------------------------------

    def copy(self) -> ParameterSpace:
        """Return an independent space with the same definition."""
        return ParameterSpace(self.name, self._parameters, self._constraints)

    def with_constraints(self, *constraints: Constraint) -> ParameterSpace:
        """Return a copy with more constraints."""
        return ParameterSpace(self.name, self._parameters, (*self._constraints, *constraints))

    def unconditional(self) -> ParameterSpace:
        """Return the same parameters, all of them always active, without constraints."""
        parameters = {name: replace(each, condition=None) for name, each in self._parameters.items()}
        return ParameterSpace(self.name, parameters)

    def fix(self, params: Mapping[str, Any]) -> ParameterSpace:
        """Return a copy in which the given parameters have only the given value.

        A parameter whose condition can then never hold is left out, as in `override`.
        """
        return self._narrowed(fixed(self._parameters, params), self._constraints, params)

    def override(self, data: Mapping[str, Any], constraints: Iterable[Constraint] = ()) -> ParameterSpace:
        """Return a copy with other bounds; parameters that `data` leaves out keep only their default.

        Parameters
        ----------
        data : mapping
            Parameters, or their JSON form, by name; or a document with ``parameter_space`` and
            ``constraints``. Each must be of the kind it replaces, and text choices must be known ones. A
            default or condition that is left out stays as it was (a default outside the new bounds becomes
            the middle).
        constraints : iterable of str or callable
            Added to those of the space and of the document.

        Raises
        ------
        SpaceError
            Also when `data` names no parameter, or one that could never be active with the default of another
            that it leaves out.

        Notes
        -----
        Where a choice is gone, conditions and constraints take ``kind == 'gone'`` as false. A parameter whose
        condition can then never hold is left out of the copy, together with the constraints that name it.

        Examples
        --------
        >>> space = ParameterSpace("s").add_parameter("stop", "categorical", ["none", "fixed", "trailing"])
        >>> _ = space.add_parameter("trail", "continuous", (0.01, 0.2), condition="stop == 'trailing'")
        >>> space.override({"stop": {"type": "categorical", "choices": ["none", "fixed"]}}).names
        ('stop',)
        """
        entries, own = split_document(data)
        if not entries:
            raise SpaceError(
                "the space is empty: it names no parameter to search, and what it leaves out keeps only its "
                "default; to add constraints alone use with_constraints"
            )
        parameters = overridden(self._parameters, entries)
        return self._narrowed(parameters, (*self._constraints, *own, *constraints), entries)

    def _narrowed(
        self,
        parameters: Mapping[str, Parameter],
        constraints: Sequence[Constraint],
        asked: Collection[str],
    ) -> ParameterSpace:
        return ParameterSpace(self.name, *narrowed(self._parameters, parameters, constraints, asked))

    def to_json(self) -> dict[str, Any]:
        """Return ``{"parameter_space": {...}, "constraints": [...]}``; SpaceError for a Python constraint."""
        return document(self._parameters, self._constraints)

    @classmethod
    def from_json(
        cls, data: Mapping[str, Any], *, name: str = "space", constraints: Sequence[Constraint] = ()
    ) -> Self:
        """Return the space of a JSON document: that of `to_json`, or a plain mapping of parameters.

        Examples
        --------
        >>> data = {"n": {"type": "discrete", "bounds": [1, 9]}}
        >>> space = ParameterSpace.from_json(data, constraints=["n != 5"])
        >>> ParameterSpace.from_json(space.to_json()) == space
        True
        """
        entries, own = split_document(data)
        parameters = {str(key): parameter_from_json(str(key), spec) for key, spec in entries.items()}
        return cls(name, parameters, (*own, *constraints))

    @property
    def digest(self) -> str:
        """SHA-256 of the definition: parameters in order, and constraints (callables by their source)."""
        parameters = [[name, parameter.to_json()] for name, parameter in self._parameters.items()]
        text = json.dumps([parameters, [fingerprint(c) for c in self._constraints]], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ParameterSpace):
            return NotImplemented
        mine, theirs = list(self._parameters.items()), list(other._parameters.items())
        return mine == theirs and self._constraints == other._constraints

    __hash__ = None  # type: ignore[assignment]  # a space can grow

    def __repr__(self) -> str:
        return f"ParameterSpace({self.name!r}, {self._parameters!r}, {list(self._constraints)!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bound": None}  # closures cannot be pickled; they are rebuilt when used
