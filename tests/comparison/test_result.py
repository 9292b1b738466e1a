"""What a comparison says of its rows: the best, means, paired differences, tables."""

import csv
import io
import json

import numpy as np
import pytest
from scipy import ndimage

from proxsparse import compare, phantoms

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


def test_the_best_has_not_seen_the_truth(one):
    assert one.kind(one.best("psnr")) != "oracle"
    assert one.best("psnr", "oracle").endswith("(oracle)")
    assert one.best("mse") == one.best("psnr")
    assert one.best("psnr", "output") in ("unet", "net")
    with pytest.raises(ValueError, match="no better and worse"):
        one.best("components")
    with pytest.raises(ValueError, match="unknown metric 'psnrr'; did you mean 'psnr'"):
        one.best("psnrr")
    with pytest.raises(ValueError, match="no row of kind 'baseline'"):
        one.best("psnr", "baseline")


def test_means_and_paired_differences_over_images(many):
    assert len(many.table) == 5 * 4
    psnr = many.values("tv", "psnr")
    summary = next(record for record in many.summary if record["name"] == "tv")
    assert summary["psnr"] == pytest.approx(np.mean(psnr))
    assert summary["psnr_std"] == pytest.approx(np.std(psnr, ddof=1))
    net = next(record for record in many.paired("psnr") if record["name"] == "net")
    difference = many.values("net", "psnr") - psnr
    assert net["against"] == "tv"
    assert net["mean"] == pytest.approx(difference.mean())
    assert difference.min() <= net["low"] <= net["mean"] <= net["high"] <= difference.max()
    assert net["better"] == np.mean(difference > 0)
    # against scipy's own bootstrap, with other resamples
    from scipy.stats import bootstrap

    interval = bootstrap((difference,), np.mean, method="percentile", rng=np.random.default_rng(1)).confidence_interval
    assert net["low"] == pytest.approx(interval.low, abs=0.3 * np.ptp(difference))
    assert net["high"] == pytest.approx(interval.high, abs=0.3 * np.ptp(difference))
    # fewer errors are better: the share turns round
    mse = next(record for record in many.paired("mse") if record["name"] == "net")
    assert mse["better"] == net["better"]
    assert "95 % interval" in many.to_markdown()
    assert np.isnan(
        compare(TRUTH, {"net": smooth}, noise_std=0.1, data_range=1.0, penalties="tv", weight=0.1).paired()[0]["low"]
    )


def test_perfect_images_over_several_have_means():
    truths = [TRUTH, TRUTH]
    found = compare(truths, {"same": truths, "again": truths}, noise_std=0.1, data_range=1.0, penalties="none")
    assert found.best("psnr") in ("same", "again")
    difference = {r["name"]: r for r in found.paired("psnr", against="same")}
    assert difference["again"]["mean"] == 0
    assert difference["none"]["mean"] == -np.inf
    found.page()


def test_tables(one, tmp_path):
    lines = one.to_markdown().split("\n\n")[0].splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 2 + len(one.names)
    assert "dB PSNR" in one.to_markdown()
    one.to_csv(tmp_path / "figures.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "figures.csv").read_text())))
    assert [row["name"] for row in rows] == one.names
    assert float(rows[3]["psnr"]) == one.table[3]["psnr"]
    assert len(rows[one.names.index("l1+tv")]["weight"].split()) == 2
    assert "noise given" in repr(one)
    json.dumps(one.provenance)


def test_the_repr_says_what_was_compared():
    about = {"noise_std": 0.1, "data_range": 1.0, "penalties": "none"}
    image = phantoms.blobs((24, 25))
    assert "on 1 image of 24x25; noise made" in repr(compare(image, **about))
    assert "on 2 images of 2 shapes" in repr(compare([image, image[:20]], **about))
    assert "on 1 volume of 4x24x25" in repr(compare(np.stack([image] * 4), ndim=3, **about))
    assert "on 1 image of 24x25x3" in repr(compare(np.stack([image] * 3, -1), channel_axis=-1, **about))
    assert "on 3 signals of 25" in repr(compare(list(image[:3]), **about))
