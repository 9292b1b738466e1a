"""Classical answers beside given outputs: rows, figures, protocols, and warnings."""

import warnings

import numpy as np
import pytest
from scipy import ndimage

import proxsparse
from proxsparse import L1, ConvergenceWarning, OverlappingGroupLasso, compare, metrics, phantoms, solve

TRUTH = phantoms.regions((48, 48))


NOISY = phantoms.add_noise(TRUTH, 0.1)


def smooth(y):
    return ndimage.gaussian_filter(y, 1.0)


@pytest.fixture(scope="module")
def one():
    return compare(TRUTH, {"unet": smooth(NOISY), "net": smooth}, noisy=NOISY, noise_std=0.1, data_range=1.0)


@pytest.fixture(scope="module")
def many():
    truths = [phantoms.blobs((40, 44), seed=i) for i in range(5)]
    return compare(truths, {"net": smooth}, noise_std=0.1, data_range=1.0, penalties=("none", "l1", "tv"), weight="auto", rng=3)


def test_rows_and_their_figures(one):
    assert one.names[:4] == ["none", "l1", "l1 (oracle)", "tv"]
    assert one.names[-2:] == ["unet", "net"]
    assert {"tv-aniso", "l1+tv", "overlap", "overlap (oracle)"} < set(one.names)
    rows = {row["name"]: row for row in one.table}
    tv = rows["tv"]
    alone = solve(NOISY, "tv", noise_std=0.1)
    assert (tv["weight"], tv["rule"], tv["kind"], tv["certified"]) == (alone.weight, "sure", "classical", True)
    np.testing.assert_array_equal(one.images[0]["tv"], alone.x)
    assert tv["rel_gap"] == one.results[0]["tv"].rel_gap <= 1e-4
    assert tv["psnr"] == metrics.psnr(TRUTH, alone.x, 1.0)
    assert tv["f1"] == metrics.f1(TRUTH, alone.x, 1 / 255)
    assert rows["none"]["mse"] == metrics.mse(TRUTH, NOISY)
    assert rows["tv (oracle)"]["rule"] == "oracle"
    assert rows["tv (oracle)"]["kind"] == "oracle"
    assert rows["tv (oracle)"]["weight"] == proxsparse.oracle_weight(NOISY, TRUTH, "tv", noise_std=0.1)
    assert np.isnan(rows["unet"]["seconds"])
    assert rows["net"]["seconds"] > 0
    assert rows["net"]["psnr"] == rows["unet"]["psnr"]


def test_noise_is_seeded_and_images_are_independent_of_each_other():
    a = compare([TRUTH, TRUTH], noise_std=0.1, data_range=1.0, penalties="none", rng=5)
    b = compare([TRUTH, TRUTH], noise_std=0.1, data_range=1.0, penalties="none", rng=5)
    np.testing.assert_array_equal(a.images[1]["noisy"], b.images[1]["noisy"])
    assert not np.array_equal(a.images[0]["noisy"], a.images[1]["noisy"])
    alone = compare(TRUTH, noise_std=0.1, data_range=1.0, penalties="none", rng=5)
    np.testing.assert_array_equal(alone.images[0]["noisy"], a.images[0]["noisy"])
    assert np.std(a.images[0]["noisy"] - TRUTH) == pytest.approx(0.1, rel=0.1)
    drawn = compare(TRUTH, noise_std=0.1, data_range=1.0, penalties="none", rng=np.random.default_rng(1))
    assert not np.array_equal(drawn.images[0]["noisy"], a.images[0]["noisy"])


def test_workers_change_nothing_but_the_seconds():
    truths = [phantoms.blobs((30, 34), seed=i) for i in range(3)]
    runs = [compare(truths, {"net": smooth}, noise_std=0.1, data_range=1.0, workers=n) for n in (1, 3)]
    for a, b in zip(runs[0].table, runs[1].table, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds" and v == v} == {
            k: v for k, v in b.items() if k != "seconds" and v == v
        }


def test_colour_volumes_integers_and_regions():
    colour = np.stack([TRUTH, TRUTH, 0 * TRUTH], axis=-1)
    found = compare(
        colour, {"same": colour}, noise_std=0.1, data_range=1.0, channel_axis=-1, penalties=("none", "tv", "nlm"), weight=0.2
    )
    assert found.values("same", "f1")[0] == 1
    assert found.values("same", "psnr")[0] == np.inf
    found.page()
    volume = np.zeros((12, 13, 14))
    volume[3:9, 3:9, 3:9] = 1
    found = compare(volume, noise_std=0.1, data_range=1.0, penalties=("none", "tv"), weight=0.2)
    assert found.values("tv", "psnr")[0] > found.values("none", "psnr")[0]
    found.page()
    bytes_ = np.rint(200 * np.abs(TRUTH)).astype(np.uint8)
    found = compare(bytes_, noise_std=20.0, penalties=("none", "tv"), weight="auto")
    assert found.provenance["data_range"] == 255
    assert found.provenance["support_tol"] == 1
    assert found.values("tv", "psnr")[0] > 28
    signal = np.repeat([0.0, 1.0, 0.0], 40)
    found = compare(signal, noise_std=0.1, data_range=1.0, penalties=("tv",), weight="auto")
    assert found.results[0]["tv"].method == "exact"
    inside = np.zeros(TRUTH.shape, bool)
    inside[:24] = True
    found = compare(
        TRUTH, {"half": np.where(inside, TRUTH, 9 * TRUTH)}, noise_std=0.1, data_range=1.0, penalties="none", region=inside
    )
    assert found.values("half", "mse")[0] == 0
    small = compare(TRUTH[:8, :8] + 0.5, noise_std=0.1, data_range=1.0, penalties="none")
    assert np.isnan(small.values("none", "ssim")[0])


def test_metrics_can_be_chosen_and_added():
    found = compare(TRUTH, noisy=NOISY, data_range=1.0, penalties="none", metrics=("psnr", "f1"))
    assert list(found.ways) == ["psnr", "f1"]
    found = compare(TRUTH, noisy=NOISY, data_range=1.0, penalties="none", metrics={"worst": lambda t, x: np.abs(t - x).max()})
    assert found.table[0]["worst"] == np.abs(TRUTH - NOISY).max()
    assert "worst" in found.to_markdown()


def test_an_exception_in_a_model_comes_out_unchanged():
    def broken(y):
        raise KeyError("layer")

    with pytest.raises(KeyError, match="layer"):
        compare(TRUTH, {"net": broken}, noise_std=0.1, data_range=1.0, penalties="none")


def test_a_model_cannot_write_into_the_images():
    def greedy(y):
        y *= 0.5
        return y

    found = compare(TRUTH, {"net": greedy}, noisy=NOISY, data_range=1.0, penalties="none")
    np.testing.assert_array_equal(found.images[0]["noisy"], NOISY)


def test_nothing_is_a_view_of_what_was_given_or_is_written_into_later():
    buffer = np.zeros_like(TRUTH)

    def reusing(y):
        buffer[...] = smooth(y)
        return buffer

    truths = [TRUTH, phantoms.blobs((48, 48))]
    found = compare(truths, {"net": reusing}, noise_std=0.1, data_range=1.0, penalties="none")
    np.testing.assert_array_equal(found.images[0]["net"], smooth(found.images[0]["noisy"]))
    assert not np.shares_memory(found.images[0]["truth"], TRUTH)
    assert not np.shares_memory(found.images[0]["none"], found.images[0]["noisy"])


def test_provenance_holds_weights_rules_and_gaps(many):
    [tv] = [row for row in many.provenance["rows"] if row["name"] == "tv"]
    assert tv["weights"] == many.values("tv", "weight").tolist()
    assert tv["rules"] == ["sure"] * 5
    assert max(tv["rel_gaps"]) <= 1e-4


def test_values_of_another_size_draw_a_warning():
    with pytest.warns(UserWarning, match="unet reaches 255"):
        compare(TRUTH, {"unet": 255 * TRUTH}, noise_std=0.1, data_range=1.0, penalties="none")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(TRUTH, {"unet": 2 * TRUTH}, noise_std=0.1, data_range=1.0, penalties="none")


def test_answers_that_do_not_converge_are_told_once():
    with pytest.warns(ConvergenceWarning, match="1 answers did not meet tol=1e-15"):
        compare(
            TRUTH[:16, :16], noisy=NOISY[:16, :16].astype(np.float32), data_range=1.0, penalties="tv", weight=0.1, tol=1e-15
        )


_SLOW = [pytest.param(make, marks=pytest.mark.slow) for make in (phantoms.regions, phantoms.blobs)]


@pytest.mark.parametrize("make", [*_SLOW, phantoms.rectangles])
def test_windows_find_contiguous_supports_better_than_l1(make):
    """The ordering of Mairal et al. 2011, of our own making: at equal damping of the noise, and at each one's best weight."""
    truth = make((128, 128))
    noisy = phantoms.add_noise(truth, 0.2)
    found = compare(
        truth, noisy=noisy, noise_std=0.2, data_range=1.0, penalties=("l1", "overlap"), weight="noise", support_tol=0.0
    )
    best = {}
    for name, penalty in (("l1", L1()), ("overlap", OverlappingGroupLasso(window=3))):
        weight = proxsparse.oracle_weight(noisy, truth, penalty, lambda t, x: -metrics.f1(t, x))
        best[name] = solve(noisy, penalty, weight).x
    assert found.values("overlap", "f1")[0] > found.values("l1", "f1")[0] + 0.1
    assert metrics.f1(truth, best["overlap"]) > metrics.f1(truth, best["l1"]) + 0.05
    # a window's last pixel may stay alone where its neighbours are zero for other reasons
    assert found.values("overlap", "isolated_share")[0] < 1e-3 < 0.02 < found.values("l1", "isolated_share")[0]
    assert metrics.isolated_share(best["overlap"]) < 0.01 < metrics.isolated_share(best["l1"])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_of_truths_is_several_images(channels):
    """As networks have it, (N, channels, rows, columns)."""
    truth = np.stack([np.stack([phantoms.blobs((24, 25), seed=k + 5 * i) for k in range(channels)]) for i in range(2)])
    noisy = phantoms.add_noise(truth, 0.1)
    found = compare(truth, {"net": 0.9 * noisy}, noisy=noisy, data_range=1.0, penalties="tv", weight=0.1)
    axis = None if channels == 1 else 0
    images = [own[0] if channels == 1 else own for own in truth]
    seen = [own[0] if channels == 1 else own for own in noisy]
    outputs = {"net": [0.9 * own for own in seen]}
    expected = compare(images, outputs, noisy=seen, data_range=1.0, penalties="tv", weight=0.1, channel_axis=axis)
    for one, other in zip(found.images, expected.images, strict=True):
        for name in other:
            np.testing.assert_array_equal(one[name], other[name])
