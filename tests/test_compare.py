"""Classical answers beside given outputs: rows, figures, protocols, tables, pages, and what is refused."""

import csv
import html.parser
import io
import json
import warnings

import numpy as np
import pytest
from scipy import ndimage

import proxsparse
from proxsparse import L1, ConvergenceWarning, OverlappingGroupLasso, TotalVariation, compare, metrics, phantoms, solve
from proxsparse.cli import main

TRUTH = phantoms.regions((48, 48))
NOISY = phantoms.add_noise(TRUTH, 0.1)
WITH_NAN = np.where(np.arange(48 * 48).reshape(48, 48) == 50, np.nan, TRUTH)


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


def test_ways_to_a_weight():
    names = lambda **kw: compare(TRUTH, noisy=NOISY, data_range=1.0, **kw).names  # noqa: E731
    assert names(penalties="tv", weight=0.1) == ["tv"]
    assert names(penalties="tv", weight=("sure", "gcv", 0.1)) == ["tv", "tv (gcv)", "tv (0.1)"]
    assert names(penalties="tv", weight=("oracle", "auto")) == ["tv (oracle)", "tv"]
    own = TotalVariation(0.2)
    assert names(penalties=(own, "l1", L1() + TotalVariation(0.1)), weight={"l1": 0.1, L1() + TotalVariation(0.1): 0.05}) == [
        "TotalVariation(0.2)",
        "l1",
        "L1() + TotalVariation(0.1)",
    ]
    protocol = compare(TRUTH, noisy=NOISY, data_range=1.0, penalties=("tv", "l1+tv"), weight={"tv": 0.08, "l1+tv": (0.01, 0.1)})
    assert [row["weight"] for row in protocol.table] == [0.08, (0.01, 0.1)]
    assert [row["rule"] for row in protocol.table] == ["given", "given"]


def test_baselines_are_labelled_as_theirs():
    found = compare(TRUTH, noisy=NOISY, data_range=1.0, penalties=("none", "nlm", "gaussian", "bilateral", "wavelet-bayes"))
    assert [row["kind"] for row in found.table[1:]] == ["baseline"] * 4
    for name in ("nlm", "wavelet-bayes", "bilateral"):
        assert found.values(name, "psnr")[0] > found.values("none", "psnr")[0] + 2
        assert "scikit-image" in next(row["what"] for row in found.provenance["rows"] if row["name"] == name)
    with pytest.raises(ValueError, match="takes images of 2 axes beside the channels"):
        compare(np.zeros((5, 6, 7)), noise_std=0.1, data_range=1.0, penalties="bilateral")
    import importlib.util

    if importlib.util.find_spec("bm3d") is None:
        with pytest.raises(ImportError, match="pip install bm3d"):
            compare(TRUTH, noisy=NOISY, data_range=1.0, penalties="bm3d")


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


CASES = {
    "give data_range=": lambda: compare(TRUTH, noise_std=0.1),
    "give noisy=, or noise_std=": lambda: compare(TRUTH, data_range=1.0),
    r"unet has shape \(40, 48\), the truth \(48, 48\)": lambda: compare(TRUTH, {"unet": TRUTH[:40]}, noise_std=0.1, data_range=1.0),
    r"as in array.reshape\(48, 48\)": lambda: compare(TRUTH, {"unet": TRUTH[None, None]}, noise_std=0.1, data_range=1.0),
    "unet has 1 NaN": lambda: compare(TRUTH, {"unet": WITH_NAN}, noise_std=0.1, data_range=1.0),
    "the image that net returned has shape": lambda: compare(TRUTH, {"net": lambda y: y[1:]}, noise_std=0.1, data_range=1.0, penalties="none"),
    "must be a list of 2 images": lambda: compare([TRUTH, TRUTH], {"unet": TRUTH}, noise_std=0.1, data_range=1.0),
    "truth is an empty list": lambda: compare([], noise_std=0.1, data_range=1.0),
    "unknown penalty 'tvv'; did you mean 'tv'": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, penalties="tvv"),
    "unknown way to a weight 'orcale'; did you mean 'oracle'": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, weight="orcale"),
    "gives no weight for the penalty 'tv'": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, penalties="tv", weight={}),
    "which is not among penalties": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, penalties="tv", weight={"tv": 1, "l1": 1}),
    "needs 2 weights": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, weight=0.1),
    "rows of one name": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, penalties=("tv", "tv")),
    "cannot be named 'tv'": lambda: compare(TRUTH, {"tv": TRUTH}, noise_std=0.1, data_range=1.0),
    "cannot be named 'truth'": lambda: compare(TRUTH, {"truth": TRUTH}, noise_std=0.1, data_range=1.0),
    "data_range must be > 0": lambda: compare(TRUTH, noise_std=0.1, data_range=0),
    "support_tol must be finite and >= 0": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, support_tol=-1.0),
    "only of uint8 and bool": lambda: compare(np.arange(64).reshape(8, 8), noise_std=1.0),
    "region must be boolean": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, region=np.ones((3, 3))),
    "there is nothing to compare": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, penalties=()),
    "a metric cannot be named 'seconds'": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, metrics={"seconds": max}),
    "a dict gives a weight of its own": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, weight=0.2),
    "unknown metric": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, metrics="pnsr"),
    "option workers must be >= 1": lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, workers=0),
}  # fmt: skip


@pytest.mark.parametrize("message", CASES)
def test_what_does_not_fit_is_named(message):
    with pytest.raises(ValueError, match=message):
        CASES[message]()


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


def test_perfect_images_over_several_have_means():
    truths = [TRUTH, TRUTH]
    found = compare(truths, {"same": truths, "again": truths}, noise_std=0.1, data_range=1.0, penalties="none")
    assert found.best("psnr") in ("same", "again")
    difference = {r["name"]: r for r in found.paired("psnr", against="same")}
    assert difference["again"]["mean"] == 0
    assert difference["none"]["mean"] == -np.inf
    found.page()


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


class _Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.images, self.links, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "img":
            self.images.append(attributes["src"])
        if tag in ("link", "script", "iframe") or attributes.get("href"):
            self.links.append(tag)
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_no_network(one, many, tmp_path):
    one.to_html(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    parsed = _Links()
    parsed.feed(text)
    assert not parsed.open
    assert not parsed.links
    # three pictures for the truth, the noisy image and every row that has not seen the truth
    shown = 2 + sum(one.kind(n) not in ("oracle", "input") for n in one.names)
    assert len(parsed.images) == 3 * shown
    assert all(src.startswith("data:image/png;base64,") for src in parsed.images)
    assert "unet - " in text
    for word in ("data_range", "support_tol", "noise", "numba", "Gaussian window"):
        assert word in text
    pictures = _Links()
    pictures.feed(many.page(2))
    assert len(pictures.images) == 2 * 3 * 5
    assert one._repr_html_().startswith("<style>")


def test_names_are_escaped():
    found = compare(TRUTH, {"<b>|net": TRUTH}, noisy=NOISY, data_range=1.0, penalties="none")
    assert "<b>|net" not in found.page().replace("&lt;b&gt;|net", "")
    assert "<b>\\|net" in found.to_markdown()


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


def test_the_picture_has_a_column_a_row(one):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    canvas = one.plot()
    assert len(canvas.axes) == 4 * (2 + sum(one.kind(n) not in ("oracle", "input") for n in one.names))
    assert len(one.plot(names=["tv", "tv (oracle)"]).axes) == 16
    plt.close("all")
    with pytest.raises(ValueError, match="image must be one of 0 to 0"):
        one.plot(3)
    with pytest.raises(ValueError, match="no row 'tvv'"):
        one.plot(names=["tvv"])


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


# -- the command line --------------------------------------------------------------------------------------------------


def save(path, image):
    from skimage.io import imsave

    path.parent.mkdir(exist_ok=True)
    imsave(path, np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8), check_contrast=False)
    return str(path)


def test_the_command_line_compares_files_and_folders(tmp_path, capsys):
    truths = [np.abs(TRUTH), phantoms.blobs((40, 40))]
    for i, truth in enumerate(truths):
        noisy = phantoms.add_noise(truth, 0.1)
        save(tmp_path / "truth" / f"{i}.png", truth)
        save(tmp_path / "noisy" / f"{i}.png", noisy)
        save(tmp_path / "unet" / f"{i}.png", smooth(noisy))
    report, figures = tmp_path / "report.html", tmp_path / "figures.csv"
    common = ["--penalty", "none", "tv", "--weight", "auto", "--report", str(report), "--csv", str(figures)]
    files = [str(tmp_path / kind / "0.png") for kind in ("truth", "noisy", "unet")]
    assert main(["compare", *files[:2], "--output", f"unet={files[2]}", *common]) == 0
    said = capsys.readouterr().out
    assert "| unet" in said
    assert "unet - tv" in said
    assert report.exists()
    assert len(figures.read_text().splitlines()) == 4
    assert main(["compare", *files[:2], *common]) == 2
    assert "--overwrite" in capsys.readouterr().err
    folders = [str(tmp_path / kind) for kind in ("truth", "noisy", "unet")]
    assert main(["compare", *folders[:2], "--output", f"unet={folders[2]}", *common, "--overwrite", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert len(figures.read_text().splitlines()) == 7
    assert (
        main(["compare", folders[0], "--noise-std", "0.1", "--penalty", "tv", "--weight", "0.1", "--quiet", "--workers", "2"])
        == 0
    )


def test_the_command_line_names_what_does_not_match(tmp_path, capsys):
    a = save(tmp_path / "a" / "x.png", np.abs(TRUTH))
    b = save(tmp_path / "b" / "y.png", np.abs(TRUTH)[:40])
    np.save(tmp_path / "float.npy", TRUTH)
    np.save(tmp_path / "large.npy", 255 * TRUTH)
    for arguments, message in (
        ([a, b], "has shape (40, 48), the truth (48, 48)"),
        ([a, a, "--output", f"unet={b}"], "y.png: has shape"),
        ([a, a, "--output", b], "--output takes NAME=PATH"),
        ([a, str(tmp_path / "b")], "is a folder, but"),
        ([str(tmp_path / "a"), str(tmp_path / "b")], "has no image named x"),
        ([str(tmp_path / "a"), str(tmp_path / "c")], "no such file or folder"),
        ([a], "give noisy=, or noise_std="),
        ([str(tmp_path / "float.npy"), "--noise-std", "0.1"], "give data_range="),
        ([a, a, "--weight", "tv=0.1", "auto"], "--weight takes rules and numbers"),
        ([str(tmp_path / "float.npy"), str(tmp_path / "large.npy"), "--data-range", "1"], "are they in one unit?"),
        ([a, a, "--penalty", "tvv"], "unknown penalty 'tvv'"),
        ([a, a, "--output", f"u={a}", "--output", f"u={a}"], "two outputs of one name"),
        ([a, a, "--report", str(tmp_path / "none" / "r.html"), "--penalty", "none"], "no such directory"),
    ):
        assert main(["compare", *arguments, "--quiet"]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert len(said.strip().splitlines()) == 1
