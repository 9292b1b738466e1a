"""The page and the picture of a comparison."""

import html.parser

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
