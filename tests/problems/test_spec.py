"""What `solve` takes is a spec and a search."""

import inspect

from examples import image_of

import proxsparse
from proxsparse.problems.spec import FIELDS, SEARCH, ProblemSpec


def test_what_solve_takes_is_a_spec_and_a_search():
    """An argument of the problem is one field of the spec, and the doors with keywords take it from there."""
    taken = set(inspect.signature(proxsparse.solve).parameters)
    assert taken == {"image", "penalty", "weight", *FIELDS, *SEARCH}
    defaults = {name: inspect.signature(proxsparse.solve).parameters[name].default for name in FIELDS}
    image = image_of((4, 5))
    assert ProblemSpec(image, **defaults).names_given() == set() == ProblemSpec(image).names_given()
    said = {"data": "l1", "bounds": (0, 1), "noise_std": 0.1, "tol": 1e-3}
    spec, left = ProblemSpec.from_arguments(image, said, SEARCH, "a door")
    assert spec.image is image
    assert (spec.names_given(), left) == ({"data", "bounds", "noise_std"}, {"tol": 1e-3})
    assert spec.replace(bounds=None).names_given() == {"data", "noise_std"}
