import dataclasses
import pickle

import numpy as np
import pytest

from proxsparse import L1, GroupLasso, OverlappingGroupLasso, TotalVariation, solve
from proxsparse.dual.term import Term


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Halved(TotalVariation):
    """Half the total variation: half the ball, half the value."""

    def _project(self, p, factor=1.0):
        super()._project(p, 0.5 * factor)

    def _gap(self, x, p):
        return TotalVariation(0.5 * self.weight)._gap(x, p)

    def _dual_norm(self, p):
        return 2 * super()._dual_norm(p)


@pytest.mark.parametrize("shape", [(12, 9), (30,), (70, 80)])
def test_a_class_that_changes_a_formula_loses_the_kernels_of_its_base(shape, rng):
    y = rng.standard_normal(shape)
    bound, base = Halved(0.2).bind((1, *shape)), TotalVariation(0.2).bind((1, *shape))
    assert base.fused is not None
    assert bound.fused is bound.exact is bound.partition is None
    assert bound.half(y[None]) is None
    found, expected = (solve(y, penalty, tol=1e-8) for penalty in (Halved(0.2), TotalVariation(0.1)))
    assert found.success
    np.testing.assert_allclose(found.x, expected.x, atol=1e-3)
    assert found.fun == pytest.approx(expected.fun, rel=1e-7)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Named(TotalVariation):
    """The same, with a word more."""

    word: str = ""


def test_a_class_that_changes_no_formula_keeps_them(rng):
    y = rng.standard_normal((20, 30))
    assert Named(0.1).bind((1, 20, 30)).fused is not None
    assert solve(y, Named(0.1)).x.tobytes() == solve(y, TotalVariation(0.1)).x.tobytes()


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Counting(L1):
    """Says how often it was asked for what depends on the shape."""

    asked = []  # noqa: RUF012

    def _norm_squared(self, shape):
        self.asked.append(shape)
        return super()._norm_squared(shape)


def test_what_depends_on_the_shape_is_found_once():
    term = Counting(0.1).bind((1, 4, 5))
    assert [term.norm_squared for _ in range(3)] == [1.0] * 3
    assert Counting.asked == [(1, 4, 5)]


def test_a_term_is_of_one_shape():
    penalty = TotalVariation(0.3)
    term = penalty.bind((1, 4, 5))
    assert isinstance(term, Term)
    assert term.dual_shape == (2, 1, 4, 5)
    assert term.bind((1, 4, 5)) is term
    assert term.bind((1, 6)).dual_shape == (1, 1, 6)
    assert repr(term) == "TotalVariation(0.3).bind((1, 4, 5))"


@pytest.mark.parametrize("penalty", [OverlappingGroupLasso(1.0, window=9), GroupLasso(1.0, labels=np.zeros((3, 3), int))])
def test_a_penalty_that_does_not_fit_is_not_bound(penalty):
    with pytest.raises(ValueError, match="the image"):
        penalty.bind((1, 4, 5))


@pytest.mark.parametrize("penalty", [TotalVariation(0.3), OverlappingGroupLasso(0.2), L1(0.1), GroupLasso(0.2)])
def test_terms_are_pickled(penalty, rng):
    term, x = penalty.bind((1, 6, 7)), rng.standard_normal((1, 6, 7))
    own = term.fused, term.exact, term.partition
    back = pickle.loads(pickle.dumps(term))
    assert [each is None for each in own] == [each is None for each in (back.fused, back.exact, back.partition)]
    dual = np.zeros(term.dual_shape)
    term.apply(dual, 0.1 * x)
    assert back.gap(x, dual) == term.gap(x, dual)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TwiceL1(L1):
    """Twice the L1 norm: what L1 knows of single pixels is not true of it."""

    def _project(self, p, factor=1.0):
        super()._project(p, 2 * factor)

    def _gap(self, x, p):
        return L1(2 * self.weight)._gap(x, p)

    def _dual_norm(self, p):
        return 0.5 * super()._dual_norm(p)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class HalfDifferences(TotalVariation):
    """Total variation of half the differences."""

    def _analysis(self, out, x):
        super()._analysis(out, x)
        out *= out.dtype.type(0.5)

    def _add_adjoint(self, out, p):
        super()._add_adjoint(out, p.astype(out.dtype) * out.dtype.type(0.5))

    def _gap(self, x, p):
        z = self._analysed(x)
        value = self.weight * np.sqrt(np.square(z).sum(axis=(0, 1))).sum()
        return float(value - (z * p).sum()), float(value)


@pytest.mark.parametrize("kw", [{}, {"bounds": (-1, 1)}, {"observed": np.arange(80).reshape(8, 10) % 7 > 0}])
def test_what_a_base_knew_of_its_formulas_is_not_believed_of_others(kw, rng):
    y = rng.standard_normal((8, 10))
    found, expected = (solve(y, penalty, tol=1e-6, options={"maxiter": 20000}, **kw) for penalty in (TwiceL1(0.2), L1(0.4)))
    assert found.certified
    assert found.fun == pytest.approx(expected.fun, rel=1e-4)
    halved, plain = (solve(y, penalty, tol=1e-5, **kw) for penalty in (HalfDifferences(0.4), TotalVariation(0.2)))
    assert halved.fun == pytest.approx(plain.fun, rel=1e-4)
    bound = HalfDifferences(0.4).bind((1, 8, 10))
    assert bound.gram is None
    assert bound.null_basis is None
    assert bound.length_bound(1.0) == np.inf


@pytest.mark.parametrize("name", ["_sweep", "_certificate", "_has_exact", "_coarser", "_finer", "_blockwise", "_grid"])
def test_methods_under_the_names_they_had_are_refused(name):
    with pytest.raises(TypeError, match=f"{name} is called"):
        type("Mine", (TotalVariation,), {name: lambda self, *args: None})


def test_an_exact_algorithm_as_it_was_written_is_refused():
    with pytest.raises(TypeError, match="takes a shape now"):
        type("Mine", (L1,), {"_exact": lambda self, x, p, y: None})
