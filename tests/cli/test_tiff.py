"""TIFF: obeyed in what it says of its numbers, and written back with all of it."""

import io

import numpy as np
import pytest
import tifffile
from examples import image_of
from PIL import Image

from proxsparse import solve
from proxsparse.cli import main

WEIGHT = 0.05


def gray(shape=(24, 23), dtype=np.uint8, seed=0):
    top = np.iinfo(dtype).max
    return np.clip((0.4 + 0.2 * image_of(shape, seed)) * top, 0, top).astype(dtype)


def denoised(tmp_path, *arguments, out="out.tif"):
    """The file that is written for in.tif, whose numbers are its own."""
    told = ["denoise", str(tmp_path / "in.tif"), str(tmp_path / out), "--weight", str(WEIGHT), "--overwrite", *arguments]
    assert main(told) == 0
    return tifffile.TiffFile(io.BytesIO((tmp_path / out).read_bytes())) if out.endswith("tif") else None


def answer(image, **kwargs):
    """Of integers, as they are stored."""
    top = np.iinfo(image.dtype).max
    kwargs = {"ndim": image.ndim} | kwargs if "channel_axis" not in kwargs else kwargs
    return np.clip(np.rint(top * solve(image / top, "tv", WEIGHT, **kwargs).x), 0, top).astype(image.dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_where_0_is_white_it_stays_so(dtype, tmp_path):
    image = gray(dtype=dtype)
    tifffile.imwrite(tmp_path / "in.tif", ~image, photometric="miniswhite")
    found = denoised(tmp_path)
    assert found.pages[0].photometric == 0
    np.testing.assert_array_equal(~found.asarray(), answer(image))
    # files that know no such thing get the numbers that are seen
    denoised(tmp_path, out="out.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), answer(image))


@pytest.mark.parametrize(
    ("bands", "how", "alpha"),
    [
        (4, {"photometric": "rgb", "extrasamples": ["unspecified"]}, ()),
        (4, {"photometric": "rgb", "extrasamples": ["unassalpha"]}, (3,)),
        (4, {"photometric": "rgb", "extrasamples": ["assocalpha"]}, (3,)),
        (5, {"photometric": "rgb", "extrasamples": ["unassalpha", "unspecified"]}, (3,)),
        (2, {"photometric": "minisblack", "planarconfig": "contig"}, ()),
        (2, {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]}, (1,)),
        (7, {"photometric": "minisblack", "planarconfig": "contig"}, ()),
        (3, {"photometric": "minisblack", "planarconfig": "contig"}, ()),
        (6, {"photometric": "minisblack", "planarconfig": "separate"}, ()),
        (4, {"photometric": "rgb", "planarconfig": "separate", "extrasamples": ["unassalpha"]}, (3,)),
    ],
)
def test_extra_samples_say_what_is_alpha(bands, how, alpha, tmp_path):
    axis = 0 if how.get("planarconfig") == "separate" else -1
    image = np.stack([gray(seed=k) for k in range(bands)], axis)
    tifffile.imwrite(tmp_path / "in.tif", image, **how)
    before = tifffile.TiffFile(io.BytesIO((tmp_path / "in.tif").read_bytes())).pages[0]
    page = denoised(tmp_path).pages[0]
    for name in ("photometric", "planarconfig", "extrasamples", "samplesperpixel", "axes", "shape"):
        assert getattr(page, name) == getattr(before, name)
    worked = [k for k in range(bands) if k not in alpha]
    expected = image.copy()
    expected[(slice(None),) * (image.ndim - 1) * (axis == -1) + (worked,)] = answer(
        np.take(image, worked, axis), channel_axis=axis
    )
    np.testing.assert_array_equal(page.asarray(), expected)


def test_pages_of_several_sizes_are_counted_and_one_can_be_taken(tmp_path, capsys):
    pages = [gray((24, 23)), gray((24, 23), seed=1), gray((12, 23), seed=2)]
    Image.fromarray(pages[0]).save(
        tmp_path / "in.tif", save_all=True, append_images=[Image.fromarray(page) for page in pages[1:]]
    )
    assert main(["denoise", str(tmp_path / "in.tif"), str(tmp_path / "out.tif"), "--weight", "0.1"]) == 2
    assert "3 pages of 2 of 24x23, 1 of 12x23: --page (0 to 2) takes one" in capsys.readouterr().err
    assert not (tmp_path / "out.tif").exists()
    found = denoised(tmp_path, "--page", "2")
    assert len(found.pages) == 1
    np.testing.assert_array_equal(found.asarray(), answer(pages[2]))
    assert main(["denoise", str(tmp_path / "in.tif"), str(tmp_path / "no.tif"), "--weight", "0.1", "--page", "3"]) == 2
    assert "one of 0 to 2" in capsys.readouterr().err


def test_pages_of_one_size_are_worked_one_by_one_and_keep_what_each_says(tmp_path, capsys):
    pages = [gray(seed=k) for k in range(3)]
    with tifffile.TiffWriter(tmp_path / "in.tif") as file:
        for k, page in enumerate(pages):
            file.write(
                page, metadata=None, contiguous=False, description=f"page {k}", extratags=[(285, 2, 0, f"name {k}", True)]
            )
    found = denoised(tmp_path)
    assert "--axes ZYX takes them for a volume" in capsys.readouterr().err
    assert [page.description for page in found.pages] == ["page 0", "page 1", "page 2"]
    assert [page.tags[285].value for page in found.pages] == ["name 0", "name 1", "name 2"]
    for k, page in enumerate(pages):
        np.testing.assert_array_equal(found.pages[k].asarray(), answer(page))
    found = denoised(tmp_path, "--axes", "zyx")
    np.testing.assert_array_equal(found.asarray(), answer(np.stack(pages)))
    assert capsys.readouterr().err == ""


STACKS = {
    "imagej CYX": ((2, 24, 23), {"imagej": True, "metadata": {"axes": "CYX"}}),
    "imagej TYX": ((3, 24, 23), {"imagej": True, "metadata": {"axes": "TYX", "finterval": 0.5}}),
    "imagej ZYX": (
        (4, 24, 23),
        {"imagej": True, "resolution": (10, 10), "metadata": {"axes": "ZYX", "spacing": 0.5, "unit": "um"}},
    ),
    "imagej TZCYX": ((2, 3, 2, 12, 13), {"imagej": True, "metadata": {"axes": "TZCYX", "Labels": list("abcdefghijkl")}}),
    "imagej TZYX, first page alone": ((2, 3, 12, 13), {"imagej": True, "truncate": True, "metadata": {"axes": "TZYX"}}),
    "imagej ZYXS": ((3, 12, 13, 3), {"imagej": True, "photometric": "rgb", "metadata": {"axes": "ZYXS"}}),
    "OME TCZYX": (
        (2, 2, 3, 12, 13),
        {
            "ome": True,
            "metadata": {"axes": "TCZYX", "PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 200.0}
            | {"PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 1.0, "PhysicalSizeZUnit": "µm", "Channel": {"Name": ["a", "b"]}},
        },
    ),
    "OME ZYX, big": ((3, 12, 13), {"ome": True, "bigtiff": True, "metadata": {"axes": "ZYX"}}),
    "shaped ZYX, big-endian": ((3, 12, 13), {"byteorder": ">", "metadata": {"axes": "ZYX"}}),
    "shaped TYX, deflate": ((3, 12, 13), {"compression": "zlib", "metadata": {"axes": "TYX"}}),
}


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("kind", STACKS)
def test_axes_and_sizes_are_obeyed_and_kept(kind, dtype, tmp_path):
    shape, how = STACKS[kind]
    if how.get("photometric") == "rgb":
        # of ImageJ's
        dtype = np.uint8
    image = gray(shape, dtype) if dtype != np.float32 else image_of(shape).astype(dtype)
    tifffile.imwrite(tmp_path / "in.tif", image, **({"photometric": "minisblack"} | how))
    before = tifffile.TiffFile(io.BytesIO((tmp_path / "in.tif").read_bytes()))
    after = denoised(tmp_path)
    axes = before.series[0].axes
    assert (after.series[0].axes, after.series[0].shape) == (axes, shape)
    assert after.series[0].kind == before.series[0].kind
    assert (after.is_bigtiff, after.byteorder, after.pages[0].compression) == (
        before.is_bigtiff,
        before.byteorder,
        before.pages[0].compression,
    )
    assert after.imagej_metadata == before.imagej_metadata
    assert after.ome_metadata == before.ome_metadata
    assert (282 in after.pages[0].tags) >= (282 in before.pages[0].tags)
    for code in (282, 283, 296, 305, 306, 270):
        if code in before.pages[0].tags:
            assert after.pages[0].tags[code].value == before.pages[0].tags[code].value
    # images one by one, channels together, depth in units of the width
    stacked = [i for i, letter in enumerate(axes) if letter not in "ZYXCS"]
    channel = next((i - len(stacked) for i, letter in enumerate(axes) if letter in "CS"), None)
    spacing = {"imagej ZYX": (5, 1, 1), "OME TCZYX": (5, 1, 1)}.get(kind)
    written = after.asarray().reshape(-1, *shape[len(stacked) :])
    for own, found in zip(image.reshape(written.shape), written, strict=True):
        told = {"spacing": spacing} | ({"channel_axis": channel} if channel is not None else {"ndim": own.ndim})
        expected = solve(own, "tv", WEIGHT, **told).x if dtype == np.float32 else answer(own, **told)
        np.testing.assert_array_equal(found, expected)


def test_what_axes_are_can_be_said(tmp_path, capsys):
    image = image_of((2, 3, 12, 13)).astype(np.float32)
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="minisblack")
    arguments = ["denoise", str(tmp_path / "in.tif"), str(tmp_path / "out.tif"), "--weight", str(WEIGHT), "--overwrite"]
    assert main(arguments) == 2
    assert "has 4 axes (2, 3, 12, 13), and does not say which are which: give --axes, as in TZYX" in capsys.readouterr().err
    for axes, expected in {
        "TZYX": [solve(own, "tv", WEIGHT, ndim=3).x for own in image],
        "CZYX": solve(image, "tv", WEIGHT, channel_axis=0).x,
        "ZCYX": solve(image, "tv", WEIGHT, channel_axis=1).x,
        "TCYX": [solve(own, "tv", WEIGHT, channel_axis=0).x for own in image],
        "ABYX": [[solve(own, "tv", WEIGHT).x for own in some] for some in image],
    }.items():
        assert main([*arguments, "--axes", axes]) == 0
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)
    assert main([*arguments, "--axes", "TZYX", "--spacing", "2", "1", "1"]) == 0
    expected = [solve(own, "tv", WEIGHT, spacing=(2, 1, 1)).x for own in image]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)
    for axes, message in {"ZYX": "names 3 axes, the file has 4", "TZXX": "have X twice", "ABCD": "which are which"}.items():
        capsys.readouterr()
        assert main([*arguments, "--axes", axes]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mode", "compression"),
    [("L", "tiff_lzw"), ("I;16", "tiff_lzw"), ("RGB", "tiff_lzw"), ("RGBA", "tiff_lzw"), ("F", "tiff_lzw"), ("1", "group4")]
    + [("L", "tiff_adobe_deflate"), ("L", "packbits"), ("RGB", "jpeg"), ("L", "jpeg"), ("1", "tiff_lzw"), ("P", "tiff_lzw")],
)
def test_compressed_files_are_read(mode, compression, tmp_path):
    image = {
        "I;16": Image.fromarray(gray(dtype=np.uint16)),
        "F": Image.fromarray(image_of((24, 23)).astype(np.float32)),
        "RGBA": Image.fromarray(np.stack([gray(seed=k) for k in range(4)], -1)),
    }.get(mode)
    image = image or Image.fromarray(np.stack([gray(seed=k) for k in range(3)], -1)).convert(mode)
    image.save(tmp_path / "in.tif", compression=compression)
    seen = np.array(Image.open(tmp_path / "in.tif").convert("RGB") if mode == "P" else Image.open(tmp_path / "in.tif"))
    found = denoised(tmp_path).asarray()
    assert (found.shape, found.dtype) == (seen.shape, seen.dtype)
    if mode == "F":
        np.testing.assert_array_equal(found, solve(seen, "tv", WEIGHT).x)
    elif mode == "1":
        np.testing.assert_array_equal(found, solve(seen, "tv", WEIGHT).x > 0.5)
    elif mode == "RGBA":
        np.testing.assert_array_equal(found[..., :3], answer(seen[..., :3], channel_axis=-1))
        np.testing.assert_array_equal(found[..., 3], seen[..., 3])
    else:
        np.testing.assert_array_equal(found, answer(seen, **({"channel_axis": -1} if seen.ndim == 3 else {})))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_0_in_compressed_files_too(dtype, tmp_path):
    image = gray(dtype=dtype)
    for compression in ("tiff_lzw", "tiff_adobe_deflate"):
        Image.fromarray(image).save(tmp_path / "in.tif", compression=compression, tiffinfo={262: 0})
        seen = np.array(Image.open(tmp_path / "in.tif"))
        found = denoised(tmp_path)
        assert found.pages[0].photometric == 0
        if dtype == np.uint8:
            np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out.tif")), answer(seen))
        else:
            # Pillow does not turn these around
            np.testing.assert_array_equal(found.asarray(), ~answer(~seen))


def test_what_would_be_cut_is_refused(tmp_path, capsys, monkeypatch):
    """Pillow reads colours of 16 bits as 8."""
    image = np.stack([gray(dtype=np.uint16, seed=k) for k in range(3)], -1)
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="rgb")

    def no_way(self, **kwargs):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", no_way)
    assert main(["denoise", str(tmp_path / "in.tif"), str(tmp_path / "out.tif"), "--weight", "0.1"]) == 2
    assert "pip install imagecodecs" in capsys.readouterr().err


def test_a_palette_becomes_its_colours(tmp_path, capsys):
    image = Image.fromarray(np.stack([gray(seed=k) for k in range(3)], -1)).quantize(32)
    image.save(tmp_path / "in.tif")
    page = denoised(tmp_path).pages[0]
    assert "palette is written as RGB" in capsys.readouterr().err
    assert page.photometric == 2
    np.testing.assert_array_equal(page.asarray(), answer(np.array(image.convert("RGB")), channel_axis=-1))


def test_all_that_is_said_is_said_again(tmp_path):
    """Tags of other programs, colour profile, orientation, resolution."""
    tags = [
        (274, 3, 1, 6, True),
        (700, 1, 5, b"<xmp>", True),
        (33550, 12, 3, (0.5, 0.5, 0.0), True),
        (42113, 2, 0, "-9999", True),
        (65000, 4, 2, (7, 8), True),
    ]
    how = {"resolution": ((300, 1), (150, 1)), "resolutionunit": "INCH", "iccprofile": b"a profile", "software": "made by hand"}
    tifffile.imwrite(tmp_path / "in.tif", gray(), photometric="minisblack", extratags=tags, **how)
    before = tifffile.TiffFile(io.BytesIO((tmp_path / "in.tif").read_bytes())).pages[0]
    page = denoised(tmp_path).pages[0]
    storage = {"StripOffsets", "StripByteCounts", "RowsPerStrip"}
    said = [{tag.name: tag.value for tag in own.tags if tag.name not in storage} for own in (before, page)]
    assert said[0] == said[1]
    # rows are twice as far apart as columns
    np.testing.assert_array_equal(page.asarray(), answer(gray(), spacing=(2, 1)))
    # what cannot say how it is to be turned is turned
    denoised(tmp_path, out="out.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), np.rot90(page.asarray(), -1))


def test_what_is_no_picture_is_refused(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "cmyk.tif", np.zeros((8, 8, 4), np.uint8), photometric="separated")
    tifffile.imwrite(tmp_path / "lab.tif", np.zeros((8, 8, 3), np.uint8), photometric="cielab")
    tifffile.imwrite(tmp_path / "ycbcr.tif", np.zeros((16, 16, 3), np.uint8), photometric="ycbcr")
    for path in sorted(tmp_path.glob("*.tif")):
        assert main(["denoise", str(path), str(tmp_path / "out.npy"), "--weight", "0.1"]) == 2
        assert "neither gray nor RGB" in capsys.readouterr().err


def test_smaller_copies_are_named(tmp_path, capsys):
    with tifffile.TiffWriter(tmp_path / "in.tif") as file:
        file.write(gray((64, 64)), subifds=1, metadata=None)
        file.write(gray((32, 32)), subfiletype=1, metadata=None)
    denoised(tmp_path)
    assert "smaller copies are not written" in capsys.readouterr().err


@pytest.mark.parametrize("told", ["OME", "MaxSampleValue"])
def test_a_range_that_the_file_tells_is_obeyed(told, tmp_path, capsys):
    image = gray(dtype=np.uint16) // 16
    how = {"extratags": [(281, 3, 1, 4095, True)]} if told == "MaxSampleValue" else {"ome": True}
    how |= {"metadata": {"axes": "YX", "SignificantBits": 12}} if told == "OME" else {}
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="minisblack", **how)
    found = denoised(tmp_path).asarray()
    assert "range 0..4095" in capsys.readouterr().out
    np.testing.assert_array_equal(found, np.rint(4095 * solve(image / 4095, "tv", WEIGHT).x))


@pytest.mark.parametrize("kind", ["shaped", "imagej", "ome"])
@pytest.mark.parametrize("page", [0, 1])
def test_a_page_alone_says_nothing_of_the_others(kind, page, tmp_path):
    image = gray((3, 24, 23), np.uint16)
    how = {kind: True} if kind != "shaped" else {}
    tifffile.imwrite(
        tmp_path / "in.tif", image, photometric="minisblack", metadata={"axes": "ZYX", "Labels": ["a", "b", "c"]}, **how
    )
    found = denoised(tmp_path, "--page", str(page))
    assert found.series[0].shape == (24, 23)
    np.testing.assert_array_equal(found.asarray(), answer(image[page]))


def test_colours_that_are_multiplied_by_their_alpha_stay_so(tmp_path, capsys):
    """Pillow takes the alpha out of them: they need imagecodecs where they are compressed."""
    image = np.stack([gray(seed=k) for k in range(4)], -1)
    Image.fromarray(image).save(tmp_path / "in.tif", compression="tiff_lzw")
    content = bytearray((tmp_path / "in.tif").read_bytes())
    tag = tifffile.TiffFile(io.BytesIO(bytes(content))).pages[0].tags[338]
    content[tag.valueoffset : tag.valueoffset + 2] = (1).to_bytes(2, "little")
    (tmp_path / "in.tif").write_bytes(bytes(content))
    assert main(["denoise", str(tmp_path / "in.tif"), str(tmp_path / "out.tif"), "--weight", "0.1"]) == 2
    assert "pip install imagecodecs" in capsys.readouterr().err


def test_few_bits_in_a_byte_are_their_own_range(tmp_path, capsys):
    image = gray() // 16
    tifffile.imwrite(tmp_path / "in.ome.tif", image, ome=True, metadata={"axes": "YX", "SignificantBits": 4})
    arguments = [
        "compare",
        str(tmp_path / "in.ome.tif"),
        "--noise-std",
        "0.1",
        "--penalty",
        "none",
        "--csv",
        str(tmp_path / "t.csv"),
    ]
    assert main([*arguments, "--quiet"]) == 0
    line = (tmp_path / "t.csv").read_text().splitlines()[1].split(",")
    # noise of 0.1 of the range is 20 dB below it
    assert float(line[11]) == pytest.approx(20, abs=0.3)


def test_axes_that_take_the_channels_from_alpha_are_refused(tmp_path, capsys):
    image = np.stack([gray(seed=k) for k in range(4)], -1)
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="rgb", extrasamples=["unassalpha"])
    for axes in ("CYX", "YXT", "ZYX"):
        arguments = ["denoise", str(tmp_path / "in.tif"), str(tmp_path / "out.tif"), "--weight", "0.1", "--axes", axes]
        assert main(arguments) == 2
        assert "has alpha on axis 2, which must be C among --axes" in capsys.readouterr().err


def test_many_compressed_pages_are_read_in_order(tmp_path):
    pages = [Image.fromarray(gray((9, 8), seed=k)) for k in range(40)]
    pages[0].save(tmp_path / "in.tif", compression="tiff_lzw", save_all=True, append_images=pages[1:])
    found = denoised(tmp_path)
    np.testing.assert_array_equal(found.asarray()[17], answer(np.array(pages[17])))
