"""What axes are, and numbers on their way out of a file and back."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from proxsparse.cli.picture import FileError, Picture, settle_axes, turned


@pytest.mark.parametrize("orientation", range(9))
def test_pictures_are_turned_as_pillow_turns_them(orientation):
    array = np.arange(24, dtype=np.uint8).reshape(4, 6)
    exif = Image.Exif()
    exif[274] = orientation
    image = Image.fromarray(array)
    image.getexif()[274] = orientation
    np.testing.assert_array_equal(turned(array, orientation, 0, 1), np.array(ImageOps.exif_transpose(image)))
    stack = np.stack([array, array + 24], -1)
    np.testing.assert_array_equal(turned(stack, orientation, 0, 1)[..., 0], turned(array, orientation, 0, 1))


@pytest.mark.parametrize(
    ("axes", "shape", "channel_axis", "expected"),
    [
        ("ZYX", (3, 9, 8), 0, "SYX"),
        ("ZYX", (9, 8, 3), -1, "YXS"),
        ("YX", (9, 3), 1, "XS"),
        ("ZYXS", (4, 9, 8, 3), 3, "ZYXS"),
        ("YXS", (9, 8, 3), 2, "YXS"),
        ("TYX", (3, 9, 8), 0, "SYX"),
        ("CYX", (3, 9, 8), None, "CYX"),
    ],
)
def test_an_axis_of_channels_may_be_told(axes, shape, channel_axis, expected):
    assert settle_axes(axes, shape, "a file", None, channel_axis) == expected


def test_axes_that_do_not_fit_are_refused():
    for asked, axis, message in [
        ("YX", 0, "not both"),
        ("YXX", None, "X twice"),
        ("AB", None, "names 2 axes, the file has 3"),
        ("ABC", None, "which are which"),
        (None, 3, "out of range"),
        (None, 0, "--axes says which are which"),
    ]:
        with pytest.raises(FileError, match=message):
            settle_axes("YXS", (9, 8, 3), "a file", asked, axis)
    # whether the others are of space or number images nobody has said
    with pytest.raises(FileError, match="give --axes"):
        settle_axes("????", (2, 3, 9, 8), "a file", None, 1)


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("axes", ["TYXS", "STYX", "SYXT", "YTXS"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint64, np.float32, bool])
def test_numbers_go_back_where_they_were(dtype, axes, inverted):
    """Whatever the axes are; alpha is not touched."""
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 2 if dtype is bool else 200, (2, 3, 4, 4)).astype(dtype)
    channel = axes.index("S")
    picture = Picture("a file", stored, axes, alpha=(stored.shape[channel] - 1,), inverted=inverted)
    images = picture.images
    assert len(images) == stored.shape[axes.index("T")]
    # the largest of 64 bits less a small one is a float only to 53
    lost = 2048 if inverted and dtype is np.uint64 else 0
    np.testing.assert_allclose(picture.restore(images).astype(float), stored.astype(float), rtol=0, atol=lost)
    changed = picture.restore([0 * image for image in images])
    zero = np.take(changed, range(stored.shape[channel] - 1), channel)
    seen = picture.restore([0 * image for image in images], as_seen=True)
    assert not np.take(seen, range(stored.shape[channel] - 1), channel).any()
    white = {np.int16: -1, np.float32: 0, bool: True, np.uint64: 2**64 - 2048}.get(
        dtype, np.iinfo(np.uint8 if dtype == np.uint8 else np.uint16).max
    )
    assert (zero == (white if inverted else 0)).all()
    np.testing.assert_array_equal(np.take(changed, -1, channel), np.take(stored, -1, channel))


def test_sizes_are_multiples_of_the_least():
    stored = np.zeros((4, 5, 6), np.float32)
    assert Picture("", stored, "ZYX", sizes={"Z": 0.5, "Y": 0.1, "X": 0.1}).spacing == (5, 1, 1)
    assert Picture("", stored, "ZYX", sizes={"Y": 0.1, "X": 0.1}).spacing is None
    assert Picture("", stored, "ZYX", sizes={"Z": 0.1, "Y": 0.1, "X": 0.10001}).spacing is None
    assert Picture("", stored, "ZYX", sizes={"Z": np.inf, "Y": 0.1, "X": 0.1}).spacing is None
    assert Picture("", stored, "TYX", sizes={"Z": 0.5, "Y": 0.2, "X": 0.1}).spacing == (2, 1)
