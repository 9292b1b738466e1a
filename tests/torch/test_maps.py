"""Layers with a weight for each pixel, difference or window, as a network may predict them."""

import numpy as np
import pytest
from examples import image_of

from proxsparse import L1, L2, GroupLasso, OverlappingGroupLasso, TotalVariation, solve

torch = pytest.importorskip("torch")
from proxsparse.torch import ProxLayer  # noqa: E402
from proxsparse.torch.maps import _KINDS as kinds  # noqa: E402, N811

#: penalty, the shape of its maps of images (2, 7, 6), and the penalty of a map
MAPS = {
    "l1": (L1(0.3), (1, 7, 6), lambda m: L1(0.3, pixel_weight=m[0])),
    "l1, weights": (
        L1(0.3, pixel_weight=1 + np.arange(42.0).reshape(7, 6) / 42),
        (1, 7, 6),
        lambda m: L1(0.3, pixel_weight=m[0] * (1 + np.arange(42.0).reshape(7, 6) / 42)),
    ),
    "tv": (TotalVariation(0.3), (1, 7, 6), lambda m: TotalVariation(0.3, pixel_weight=m[0])),
    "tv, directions": (TotalVariation(0.3), (2, 7, 6), lambda m: TotalVariation(0.3, pixel_weight=m)),
    "tv, apart": (
        TotalVariation(0.3, coupled=False),
        (1, 7, 6),
        lambda m: TotalVariation(0.3, coupled=False, pixel_weight=m[0]),
    ),
    "tv, spacing": (
        TotalVariation(0.3, spacing=(1.0, 2.0)),
        (2, 7, 6),
        lambda m: TotalVariation(0.3, spacing=(1.0, 2.0), pixel_weight=m),
    ),
    "anisotropic": (
        TotalVariation(0.3, isotropic=False),
        (1, 7, 6),
        lambda m: TotalVariation(0.3, isotropic=False, pixel_weight=m[0]),
    ),
    "anisotropic, directions": (
        TotalVariation(0.3, isotropic=False),
        (2, 7, 6),
        lambda m: TotalVariation(0.3, isotropic=False, pixel_weight=m),
    ),
    "windows": (
        OverlappingGroupLasso(0.2, window=2),
        (1, 6, 5),
        lambda m: OverlappingGroupLasso(0.2, window=2, group_weight=m[0]),
    ),
    "windows, stride": (
        OverlappingGroupLasso(0.3, window=3, stride=2),
        None,
        lambda m: OverlappingGroupLasso(0.3, window=3, stride=2, group_weight=m[0]),
    ),
    "sum": (
        L1(0.1) + TotalVariation(0.2),
        (1, 7, 6),
        lambda m: L1(0.1, pixel_weight=m[0]) + TotalVariation(0.2, pixel_weight=m[0]),
    ),
}


def maps_of(kind, batch=2):
    penalty, shape, of_map = MAPS[kind]
    shape = shape or (1, *penalty._dual_shape((2, 7, 6))[2:])
    return penalty, np.random.default_rng(1).uniform(0.5, 1.5, (batch, *shape)), of_map


def images_of(batch=2):
    return np.stack([image_of((2, 7, 6), seed) for seed in range(batch)])


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("kind", MAPS)
def test_a_map_gives_the_minimiser_under_it(kind, batch):
    """One for each image, or for all."""
    penalty, maps, of_map = maps_of(kind, batch)
    images = images_of()
    found = ProxLayer(penalty, tol=1e-10)(torch.from_numpy(images), torch.from_numpy(maps)).numpy()
    for x, y, own in zip(found, images, np.broadcast_to(maps, (2, *maps.shape[1:])), strict=True):
        np.testing.assert_array_equal(x, solve(y, of_map(own), channel_axis=0, tol=1e-10).x)


@pytest.mark.parametrize("kind", MAPS)
def test_gradients_are_those_of_differences(kind):
    penalty, maps, _ = maps_of(kind)
    layer, rng = ProxLayer(penalty, tol=1e-13, maxiter=50000), np.random.default_rng(2)
    image, weight = (torch.from_numpy(a).requires_grad_() for a in (images_of(), maps))
    towards = torch.from_numpy(rng.standard_normal(image.shape))
    (layer(image, weight) * towards).sum().backward()
    for given, gradient in ((image, image.grad), (weight, weight.grad)):
        step = torch.from_numpy(rng.standard_normal(given.shape))
        ends = []
        for sign in (1, -1):
            moved = [t.detach() + (sign * 1e-5 * step if t is given else 0) for t in (image, weight)]
            ends.append(float((layer(*moved) * towards).sum()))
        # the forward is right to the root of its gap, over the lengths that bend
        difference = (ends[0] - ends[1]) / 2e-5
        assert float((gradient * step).sum()) == pytest.approx(difference, abs=1e-3 * (1 + abs(difference)))


@pytest.mark.parametrize("kind", MAPS)
def test_slopes_in_the_map_are_those_of_values(kind):
    """Of an image without ties, by mixed differences of the penalty's value."""
    penalty, maps, of_map = maps_of(kind, 1)
    rng, h = np.random.default_rng(3), 1e-4
    x, u, step = rng.standard_normal((2, 7, 6)), rng.standard_normal((2, 7, 6)), rng.standard_normal(maps[0].shape)

    def value(s, t):
        return of_map(maps[0] + s * step).value(x + t * u, channel_axis=0)

    mixed = (value(h, h) - value(h, -h) - value(-h, h) + value(-h, -h)) / (4 * h * h)
    found = sum(part._w() * kinds[type(part)].slopes(part, maps[0], x, u) for part in penalty.parts)
    assert np.sum(found * step) == pytest.approx(mixed, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("kind", ["tv", "l1", "windows"])
def test_one_map_for_all_images_sums_their_gradients(kind):
    penalty, maps, _ = maps_of(kind, 1)
    layer, image = ProxLayer(penalty), torch.from_numpy(images_of())
    one = torch.from_numpy(maps).requires_grad_()
    each = torch.from_numpy(np.repeat(maps, 2, axis=0)).requires_grad_()
    for weight in (one, each):
        (layer(image, weight) ** 2).sum().backward()
    torch.testing.assert_close(one.grad, each.grad.sum(0, keepdim=True))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", ["tv, directions", "l1", "windows"])
def test_maps_are_compiled_and_transformed(kind):
    penalty, maps, _ = maps_of(kind)
    layer, image, weight = ProxLayer(penalty), torch.from_numpy(images_of()), torch.from_numpy(maps)

    def loss(weight, image=image):
        return (layer(image, weight) ** 2).sum()

    eager = torch.func.grad(loss)(weight)
    compiled = torch.compile(lambda weight: torch.sin(layer(image, weight * 1.0)), fullgraph=True)
    asked = weight.clone().requires_grad_()
    compiled(asked).sum().backward()
    plain = weight.clone().requires_grad_()
    torch.sin(layer(image, plain)).sum().backward()
    torch.testing.assert_close(asked.grad, plain.grad)
    batched = torch.func.vmap(lambda w: layer(image, w))(torch.stack([weight, 2 * weight]))
    torch.testing.assert_close(batched[1], layer(image, 2 * weight))
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(loss))(torch.stack([weight, 2 * weight]))[0], eager)


def test_maps_that_do_not_fit_are_refused():
    image, ones = torch.zeros(2, 2, 7, 6), torch.ones
    for penalty, weight, error, message in (
        (TotalVariation(0.3), ones(3, 1, 7, 6), ValueError, "a map"),
        (TotalVariation(0.3), ones(2, 3, 7, 6), ValueError, r"must be \(batch, 1, 7, 6\) or \(batch, 2, 7, 6\)"),
        (TotalVariation(0.3), ones(7, 6), ValueError, "a map"),
        (L1(0.3), ones(2, 1, 6, 7), ValueError, r"\(batch, 1, 6, 7\), and must be \(batch, 1, 7, 6\)"),
        (OverlappingGroupLasso(0.3), ones(2, 1, 7, 6), ValueError, "must be"),
        (TotalVariation(0.3), 0 * ones(2, 1, 7, 6), ValueError, "softplus instead of relu"),
        (L1(0.3), -ones(2, 1, 7, 6), ValueError, "weight must be >= 0, got -1.0"),
        (L1(0.3), ones(2, 1, 7, 6) * float("nan"), ValueError, "weight has 84 NaN"),
        (L2(0.3), ones(2, 1, 7, 6), TypeError, "maps of weights are for L1, total variation and windows"),
        (GroupLasso(0.3), ones(2, 1, 7, 6), TypeError, "maps of weights are for L1, total variation and windows"),
        (TotalVariation(0.3, huber=0.1), ones(2, 1, 7, 6), TypeError, "maps of weights are for"),
    ):
        with pytest.raises(error, match=message):
            ProxLayer(penalty)(image, weight)
    # L1 knows what a weight of 0 does
    weight = torch.zeros(1, 1, 7, 6, requires_grad=True)
    images = torch.from_numpy(images_of()).float()
    x = ProxLayer(L1(0.3))(images, weight)
    x.sum().backward()
    torch.testing.assert_close(x, images)
    torch.testing.assert_close(weight.grad, -0.3 * images.sign().sum((0, 1))[None, None])
