"""The registry, and penalties by name: case, spaces and order do not matter, and a few names of others are known."""

import ast
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from examples import PENALTIES, image_of

import proxsparse
from proxsparse import L1, GroupLasso, OverlappingGroupLasso, SecondOrderTV, TotalVariation, solve
from proxsparse.penalties import registry
from proxsparse.penalties.names import NAMES, known_as, penalty_named
from proxsparse.penalties.registry import BUILT_IN, PenaltyName

DOCS = Path(__file__).parents[2] / "docs"


def imported_for_types():
    """What the registry imports where types are read: name -> file."""
    tree = ast.parse(Path(registry.__file__).read_text())
    (guard,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {alias.name: node.module for node in guard.body for alias in node.names}


def test_what_the_registry_says_four_times_is_the_same():
    homes = {name: entry.home for name, entry in BUILT_IN.items()}
    assert imported_for_types() == homes
    assert sorted(registry.__all__) == sorted(homes)
    assert sorted(get_args(PenaltyName)) == sorted(NAMES)


def test_every_class_is_there_and_its_own_file_holds_it():
    for name, entry in BUILT_IN.items():
        cls = getattr(proxsparse, name)
        assert cls.__module__ == f"proxsparse.penalties.{entry.home}"
        assert name in dir(proxsparse)
        assert issubclass(cls, proxsparse.Penalty) == entry.convex
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        _ = proxsparse.penalties.Nope


def test_every_file_of_penalties_with_a_public_class_is_registered():
    folder = Path(registry.__file__).parent
    for path in folder.glob("*.py"):
        tree = ast.parse(path.read_text())
        shown = [n for n in tree.body if isinstance(n, ast.ClassDef) and "Parameters\n" in (ast.get_docstring(n) or "")]
        for cls in shown:
            assert BUILT_IN[cls.name].home == path.stem, f"{path}: {cls.name} is not in the registry"


def test_the_battery_runs_over_every_class():
    tried = {type(part).__name__ for penalty in PENALTIES.values() for part in penalty.parts}
    own = {name for name, entry in BUILT_IN.items() if entry.convex and name not in ("Penalty", "TGV")}
    # TGV has no proximal operator in closed form, and a battery of its own
    assert own <= tried | {"Composed"}


def test_the_reference_lists_the_registry_in_its_order():
    page = (DOCS / "reference.md").read_text()
    section = page[page.index("## Penalties") : page.index("## Data terms")]
    convex, other = (re.findall(r"^   (\w+)$", part, re.MULTILINE) for part in section.split("Not convex:"))
    assert convex == [name for name, entry in BUILT_IN.items() if entry.convex]
    assert other == [name for name, entry in BUILT_IN.items() if not entry.convex]
    assert all(getattr(proxsparse, name).__doc__.split("\n")[0].endswith((".", ":")) for name in BUILT_IN)


def test_names_stand_for_what_they_always_did():
    """Fixed in the design: a name means one penalty for good."""
    fixed = {
        "l1": L1(),
        "tv": TotalVariation(),
        "tv-aniso": TotalVariation(isotropic=False),
        "tv2": SecondOrderTV(),
        "tgv": proxsparse.TGV(),
        "group": GroupLasso(block=4),
        "overlap": OverlappingGroupLasso(window=3),
        "wavelet": proxsparse.WaveletL1(),
        "none": L1(0.0),
        "l1+tv": L1() + TotalVariation(),
    }
    for name, penalty in fixed.items():
        assert penalty_named(name) == penalty


def test_the_error_for_a_wrong_name_lists_them_all():
    with pytest.raises(ValueError, match="penalty") as error:
        solve(np.zeros((4, 4)), "lasagne")
    assert all(re.search(re.escape(repr(name)), str(error.value)) for name in NAMES)


@pytest.mark.parametrize(
    ("name", "penalty"),
    [
        ("TV", TotalVariation()),
        ("rof", TotalVariation()),
        ("Lasso", L1()),
        ("tv_aniso", TotalVariation(isotropic=False)),
        ("group lasso", GroupLasso(block=4)),
        ("TV + L1", TotalVariation() + L1()),
        ("tv2+tv", SecondOrderTV() + TotalVariation()),
        ("tv+lasso+tv2", TotalVariation() + L1() + SecondOrderTV()),
    ],
)
def test_a_name_in_any_spelling(name, penalty):
    assert penalty_named(name) == penalty


def test_every_name_is_known_and_sums_are_of_their_parts():
    for name in NAMES:
        assert known_as(name) == name
        assert penalty_named(name).parts
    for entry in BUILT_IN.values():
        assert all(known_as(alias) == name for alias, name in entry.aliases.items())
    for name in ("tvv", "tv+", "+", "", "tv+regions", "none+tv", "tv-l1"):
        assert known_as(name) is None


def test_weights_are_in_the_order_typed():
    y = image_of((12, 13))
    found, same = solve(y, "tv+l1", (0.3, 0.1), tol=1e-8), solve(y, "l1+tv", (0.1, 0.3), tol=1e-8)
    assert found.weight == (0.3, 0.1)
    assert list(found.terms) == ["data", "TotalVariation", "L1"]
    np.testing.assert_allclose(found.x, same.x, atol=1e-5)
