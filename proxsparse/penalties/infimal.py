"""Penalties that are minimisations themselves: P(x) = min of h(K X) over the X with S X = x.

Infimal convolutions (total generalized variation, latent groups) are of this kind. To the certificate such a penalty is one
like others: a linear map, and a ball of duals with ``P(x) = max over the ball of <p, K x>``, but one on which nothing projects
in closed form. To the solvers it is an ordinary penalty `_lift_penalty` of the larger X, behind the linear map S.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import Any, ClassVar

import numpy as np

from ..arrays.checks import check_weight
from ..arrays.layout import from_canonical
from ..arrays.numbers import Array, total
from ..dual.driver import MET, Steps, drive
from ..dual.prox import ProxResult, check_tol_and_maxiter, relative_gap
from ..dual.term import Term
from ..result import ConvergenceWarning, warn
from ..runtime.workers import SERIAL, Workers
from .base import Penalty


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class InfimalPenalty(Penalty):
    """P(x) = min of h(K X) over the X with S X = x; `_project` scales p into the ball: feasible, but not the nearest point."""

    _projection_is_nearest = False
    #: as many of the iterations of `_denoising_steps` cost as much as a certificate
    _effort: ClassVar[int] = 0

    @abc.abstractmethod
    def _lift_penalty(self) -> Penalty:
        """h(K X), as a penalty of X."""

    def _lift_term(self, shape: tuple[int, ...]) -> Term:
        """`_lift_penalty` on the X behind images of that shape."""
        return self._lift_penalty().bind(self._lift_shape(shape))

    @abc.abstractmethod
    def _lift_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of X for images of that shape."""

    @abc.abstractmethod
    def _synthesis(self, lifted: Array, shape: tuple[int, ...], dtype: Any = None) -> Array:
        """S X, in that type or that of X."""

    @abc.abstractmethod
    def _synthesis_adjoint(self, x: Array) -> Array:
        """S^T x."""

    @abc.abstractmethod
    def _lift(self, x: Array) -> Array:
        """An X with S X = x."""

    def _null_lift(self, x: Array) -> Array:
        """For x in the null space, a lift X of cost 0."""
        return self._lift(x)

    def _value_bound(self, x: Array) -> float:
        """A bound on P(x): the cost of one X."""
        return self._lift_term(x.shape).value(self._lift(x))

    def _denoising_steps(
        self, y: Array, lifted: Array, dual: Array, tau: float | None, gamma: float | None, workers: Workers
    ) -> Steps | None:
        """Iterations of its own for 1/2 ||S X - y||^2 + h(K X), which yield X and a flat dual, of K or of the image itself."""
        return None

    @abc.abstractmethod
    def _synthesis_gram(self, shape: tuple[int, ...]) -> Any:
        """S S^T, which is diagonal: a number, or one a pixel."""

    #: whether S takes some of the channels of X: the first ones
    _selects: ClassVar[bool] = False

    @abc.abstractmethod
    def _dual_of_lift(self, dual: Array, shape: tuple[int, ...]) -> Array:
        """The dual of this penalty that goes with one of `_lift_penalty`, up to a multiple that is in the ball."""

    @abc.abstractmethod
    def _lift_of_dual(self, p: Array) -> Array:
        """The dual of `_lift_penalty` that goes with one of this penalty."""

    def _lift_bounds(self, bound: Any, shape: tuple[int, ...], free: float) -> Any:
        """A bound on x as one on X, `free` where there is none."""
        raise ValueError(f"{self!r} takes no bounds")

    def of(self, operator: Any) -> Penalty:
        """Refused: nothing projects on the duals of a penalty that is a minimisation of its own."""
        raise ValueError(f"{self!r} is a minimisation of its own, and is not taken of an operator")

    def _project(self, p: Array, factor: float = 1.0) -> None:
        norm, radius = self._dual_norm(p), float(self._radius(p, factor, size=p.shape[0]))
        if norm > radius:
            p *= p.dtype.type(radius / norm * (1 - 8 * float(np.finfo(p.dtype).eps)))

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        value = _least(self, x.astype(np.float64), 1e-6) if self._w() > 0 else 0.0
        return value - total(self._analysed(x) * p), value

    def prox(
        self,
        v: Any,
        step: float = 1.0,
        *,
        bounds: Any = None,
        channel_axis: int | None = None,
        tol: float | None = None,
        maxiter: int = 10000,
        full_output: bool = False,
    ) -> Any:
        """Return argmin over x of 1/2 ||x - v||^2 + step P(x), as `Penalty.prox`: no bounds, to a `tol` of 1e-4 by default."""
        if bounds is not None:
            raise ValueError(f"the prox of {self!r} takes no bounds: use solve")
        y, axis = self._canonical(v, "v", channel_axis)
        tol = check_tol_and_maxiter(1e-4 if tol is None else tol, maxiter)
        penalty = dataclasses.replace(self, weight=check_weight(step) * self._w())
        with np.errstate(over="ignore"):
            x, p, fun, gap, nit = _denoised(penalty, y, tol, maxiter)
        result = from_canonical(x, axis).copy()
        if not full_output:
            return result
        return ProxResult(result, (from_canonical(p, axis, self._leading_axes).copy(),), fun, gap, relative_gap(gap, fun), nit)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class OfSynthesis(Penalty):
    """P(S X): another part of a sum, as a penalty of X."""

    inner: Any = None
    part: Any = None
    shape: Any = None

    null_space = "unknown"

    @property
    def _leading_axes(self) -> int:  # type: ignore[override]
        return int(self.inner._leading_axes)

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self.inner._dual_shape(self.shape))

    def _analysis(self, out: Array, x: Array) -> None:
        self.inner._analysis(out, self.part._synthesis(x, self.shape))

    def _add_adjoint(self, out: Array, p: Array) -> None:
        image = np.zeros(self.shape, out.dtype)
        self.inner._add_adjoint(image, p)
        out += self.part._synthesis_adjoint(image)

    def _project(self, p: Array, factor: float = 1.0) -> None:
        self.inner._project(p, factor)

    def _prox_conjugate(self, p: Array, sigma: float) -> None:
        self.inner._prox_conjugate(p, sigma)

    def _conjugate(self, p: Array) -> float:
        return float(self.inner._conjugate(p))

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        gap, value = self.inner._gap(self.part._synthesis(x, self.shape), p)
        return float(gap), float(value)

    def _dual_norm(self, p: Array) -> float:
        return float(self.inner._dual_norm(p))

    def _clear_unused(self, p: Array) -> None:
        self.inner._clear_unused(p)

    def _group_size(self, shape: tuple[int, ...]) -> int:
        return int(self.inner._group_size(self.shape))

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return float(self.inner._norm_squared(self.shape) * np.max(self.part._synthesis_gram(self.shape)))

    def with_weight(self, weight: float) -> Penalty:
        """The same with that weight, of the part too."""
        return OfSynthesis(weight, self.inner.with_weight(weight), self.part, self.shape)


def part_of_lift(q: Penalty, part: InfimalPenalty, shape: tuple[int, ...]) -> Penalty:
    """A part of the sum as a penalty of the X behind `part`."""
    return part._lift_penalty() if q is part else OfSynthesis(q.weight, q, part, shape)


def _denoised(penalty: InfimalPenalty, y: Array, tol: float, maxiter: int) -> tuple[Array, Array, float, float, int]:
    """The proximal point, its dual, the objective, the gap and the iterations: the penalty's own, or algorithm 1 on X.

    Chambolle & Pock 2011; the data term stays in the primal step: S S^T is diagonal, so that its proximal point is a formula.
    """
    if penalty._w() == 0:
        return y.copy(), np.zeros(penalty._dual_shape(y.shape), y.dtype), 0.0, 0.0, 0
    cost, counts = penalty._lift_term(y.shape), penalty._synthesis_gram(y.shape)
    tau = _step(penalty, y, 0.01)
    seen: list[tuple[Array, Array, float, float]] = []

    def _look(reached: tuple[Array, Array], _: int) -> float:
        found = _measured(penalty, cost, *reached, y)
        if not seen or found[3] < seen[0][3] or math.isnan(seen[0][3]):
            seen[:] = [found]
        return relative_gap(seen[0][3], seen[0][2])

    steps = penalty._denoising_steps(y, penalty._lift(y), np.zeros(math.prod(cost.dual_shape), y.dtype), None, None, SERIAL)
    if steps is None:
        steps = _lifted_steps(penalty, cost, y, penalty._lift(y.astype(np.float64)), tau, 1.3, tau / (1 + tau * counts))
    ended = drive(steps, _look, lambda gap, _: MET if gap <= tol else None, _ahead, maxiter)
    ((x, p, fun, gap),), nit = seen, ended.nit
    if ended.status != MET:
        message = f"prox stopped at maxiter={maxiter} with a relative gap of {relative_gap(gap, fun):.1e} > tol={tol:.1e}"
        warn(message, ConvergenceWarning)
    return x.astype(y.dtype), p.astype(y.dtype), fun, gap, nit


def _step(penalty: InfimalPenalty, x: Array, share: float) -> float:
    """The primal step: a share of the image's spread over the weight."""
    return max(share * (float(np.std(x, dtype=np.float64)) or 1.0) / penalty._w(), 1e-150)


def _ahead(_: Any, nit: int) -> int:
    return max(10, nit // 8)


def _lifted_steps(
    penalty: InfimalPenalty, cost: Term, x: Array, lifted: Array, tau: float, product: float, pull_back: Array | float
) -> Steps:
    """Chambolle & Pock 2011, algorithm 1, on X: S^T (S X - x) is drawn back to x, by so much of it."""
    dual, bar, sigma = np.zeros(cost.dual_shape), lifted.copy(), product / (tau * cost.norm_squared)
    n = yield lifted, dual
    while True:
        for _ in range(n):
            pull = np.zeros(lifted.shape)
            cost.dual_step(pull, dual, bar, sigma)
            new = lifted - tau * pull
            new -= penalty._synthesis_adjoint(pull_back * (penalty._synthesis(new, x.shape) - x))
            bar = 2 * new - lifted
            lifted = new
        n = yield lifted, dual


def _measured(penalty: InfimalPenalty, cost: Term, lifted: Array, dual: Array, y: Array) -> tuple[Array, Array, float, float]:
    """The image, its dual, the objective and the gap, of terms >= 0."""
    x = penalty._synthesis(lifted, y.shape, np.float64).astype(lifted.dtype)
    # iterations of its own may have a dual of the image
    of_lift = dual.size == math.prod(cost.dual_shape)
    p = penalty._dual_of_lift(dual.reshape(cost.dual_shape), y.shape) if of_lift else dual.reshape(x.shape).copy()
    penalty._project(p)
    value = cost.value(lifted)
    ktp = np.zeros(y.shape)
    penalty._add_adjoint(ktp, p)
    off = np.subtract(x, y, dtype=np.float64)
    loss = 0.5 * total(np.square(off + ktp))
    return x, p, 0.5 * total(np.square(off)) + value, loss + max(value - total(penalty._analysed(x) * p), 0.0)


def _least(penalty: InfimalPenalty, x: Array, tol: float) -> float:
    """The least of the cost over the X with S X = x: Chambolle & Pock with x held, until the dual is within `tol`.

    Where hardly anything is left, within a billionth of what the image could cost.
    """
    cost = penalty._lift_term(x.shape)
    lifted = min((penalty._lift(x), penalty._null_lift(x)), key=cost.value)
    floor = 1e-9 * penalty._w() * total(np.abs(x))
    kx, value = penalty._analysed(x), math.inf

    def _look(reached: tuple[Array, Array], _: int) -> float:
        nonlocal value
        value = min(value, cost.value(reached[0]))
        p = penalty._dual_of_lift(reached[1], x.shape)
        penalty._project(p)
        return value - total(kx * p)

    # all the way: onto S X = x
    steps = _lifted_steps(penalty, cost, x, lifted, _step(penalty, x, 0.1), 1.0, 1.0 / penalty._synthesis_gram(x.shape))
    drive(steps, _look, lambda gap, _: MET if gap <= tol * value + floor else None, _ahead, 20000)
    return value
