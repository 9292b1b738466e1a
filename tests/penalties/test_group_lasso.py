"""Disjoint groups: blocks and labels."""

import numpy as np
import pytest
from examples import image_of
from oracles import naive

from proxsparse import (
    GroupLasso,
    OverlappingGroupLasso,
    Wavelet,
    solve,
)


def test_labels_may_have_any_names():
    y = image_of((4, 4))
    names = np.arange(16).reshape(4, 4) // 4 * 10**11
    names[0, 0] = -7
    few = np.where(names < 0, -1, np.arange(16).reshape(4, 4) // 4)
    np.testing.assert_array_equal(solve(y, GroupLasso(0.3, labels=names)).x, solve(y, GroupLasso(0.3, labels=few)).x)
    assert GroupLasso(0.3, labels=names, group_weight="sqrt").value(y) == GroupLasso(
        0.3, labels=few, group_weight="sqrt"
    ).value(y)


def test_labels_beyond_signed_integers_are_labels(rng):
    y = rng.random(4)
    large = np.array([2**63, 2**63, 2**64 - 1, 2**64 - 1], np.uint64)
    np.testing.assert_array_equal(solve(y, GroupLasso(0.5, labels=large)).x, solve(y, GroupLasso(0.5, labels=[0, 0, 1, 1])).x)
    with pytest.raises(ValueError, match="labels up to"):
        GroupLasso(0.5, labels=large, group_weight=[1.0, 2.0])
    with pytest.raises(ValueError, match="beyond any image"):
        OverlappingGroupLasso(0.5, groups=[np.array([0, 2**63], np.uint64)])


def test_blocks_are_soft_thresholded_as_a_whole():
    y = image_of((9, 10))
    result = solve(y, "group", 0.7, tol=1e-12)
    assert (result.method, result.nit, result.success) == ("exact", 0, True)
    for i in range(0, 9, 4):
        for j in range(0, 10, 4):
            block = y[i : i + 4, j : j + 4]
            expected = block * max(0.0, 1 - 0.7 / np.linalg.norm(block))
            np.testing.assert_allclose(result.x[i : i + 4, j : j + 4], expected, atol=1e-14)
            assert np.array_equal(result.x[i : i + 4, j : j + 4] == 0, expected == 0)
    assert 0 < np.mean(result.x == 0) < 1


def test_labels_are_groups_of_any_shape_and_negative_ones_are_free():
    y = image_of((8, 9))
    labels = np.full(y.shape, -1)
    labels[1:5, 2:4], labels[5:, 4:] = 0, 1
    for norm in ("l2", "linf"):
        x = solve(y, GroupLasso(0.5, labels=labels, norm=norm), tol=1e-10).x
        np.testing.assert_array_equal(x[labels < 0], y[labels < 0])
        assert np.abs(x[labels == 0]).sum() < np.abs(y[labels == 0]).sum()
    # the largest value of each group is drawn down until what was taken adds up to the weight
    assert np.abs(y - x)[labels == 1].sum() == pytest.approx(0.5)
    blocks = np.add.outer(np.arange(8) // 2 * 5, np.arange(9) // 2)
    same = [solve(y, GroupLasso(0.4, **kw), tol=1e-10).x for kw in ({"labels": blocks}, {"block": 2})]
    np.testing.assert_array_equal(*same)
    heavy = solve(y, GroupLasso(1.0, labels=labels, group_weight=[0.0, 100.0])).x
    np.testing.assert_array_equal(heavy[labels == 0], y[labels == 0])
    assert not heavy[labels == 1].any()
    rooted = GroupLasso(1.0, labels=labels, group_weight="sqrt")
    assert rooted.value(y) == pytest.approx(sum(np.sqrt(n) * np.linalg.norm(y[labels == g]) for g, n in ((0, 8), (1, 15))))


def test_blocks_couple_the_channels():
    y = np.stack([image_of((8, 8)), 0.1 * image_of((8, 8), seed=1)], axis=-1)
    x = solve(y, GroupLasso(0.8, block=4), channel_axis=-1).x
    for i in (0, 4):
        for j in (0, 4):
            assert x[i : i + 4, j : j + 4, 0].any() == x[i : i + 4, j : j + 4, 1].any()


def test_disjoint_lists_are_labels():
    y, labels = image_of((6, 8)), naive.blocks((6, 8), 2)
    lists = [np.flatnonzero(labels == g) for g in range(labels.max() + 1)]
    a = solve(y, OverlappingGroupLasso(0.5, groups=lists, group_weight="sqrt"), tol=1e-8)
    b = solve(y, GroupLasso(0.5, labels=labels, group_weight="sqrt"))
    assert np.linalg.norm(a.x - b.x) <= a.x_error_bound + b.x_error_bound


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_of_orthogonal_wavelets_are_exact_where_nothing_is_padded(dtype):
    """The image of the coefficients that the blocks leave."""
    pytest.importorskip("pywt")
    penalty = GroupLasso(0.3, block=2).of(Wavelet("db2", 2))
    for shape, channel_axis in (((16, 24), None), ((16, 24, 2), -1)):
        y = image_of(shape, dtype=dtype)
        found = solve(y, penalty, channel_axis=channel_axis)
        assert (found.method, found.nit, found.success) == ("exact", 0, True)
        general = solve(y, penalty, channel_axis=channel_axis, method="fista", tol=1e-5 if dtype == np.float32 else 1e-9)
        assert abs(found.fun - general.fun) <= max(found.gap, general.gap)
        assert penalty.dual_norm(found.dual[0], channel_axis=channel_axis) <= 0.3
    padded = solve(image_of((17, 24), dtype=dtype), penalty)
    assert (padded.method, padded.success) == ("chambolle-pock", True)
