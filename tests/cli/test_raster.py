"""PNG, JPEG, BMP and WebP: read as they look, and what a PNG says written back."""

import io
import struct
import zlib

import numpy as np
import pytest
from examples import image_of
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from proxsparse import solve
from proxsparse.cli import main

WEIGHT = 0.05


def gray(shape=(24, 23), dtype=np.uint8, seed=0):
    top = np.iinfo(dtype).max
    return np.clip((0.4 + 0.2 * image_of(shape, seed)) * top, 0, top).astype(dtype)


def colours(n=3):
    return np.stack([gray(seed=k) for k in range(n)], -1)


def answer(image):
    top = np.iinfo(image.dtype).max
    x = solve(image / top, "tv", WEIGHT, channel_axis=-1 if image.ndim == 3 else None).x
    return np.clip(np.rint(top * x), 0, top).astype(image.dtype)


def denoised(source, target, *more):
    assert main(["denoise", str(source), str(target), "--weight", str(WEIGHT), "--overwrite", *more]) == 0
    return np.array(Image.open(io.BytesIO(target.read_bytes()))) if target.suffix not in (".npy", ".tif") else None


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".webp", ".png"])
@pytest.mark.parametrize("kind", ["gray", "colour"])
def test_files_of_each_kind_are_read_as_they_look(suffix, kind, tmp_path, capsys):
    path = tmp_path / f"in{suffix}"
    Image.fromarray(gray() if kind == "gray" else colours()).save(path)
    seen = np.array(Image.open(io.BytesIO(path.read_bytes())))
    np.testing.assert_array_equal(denoised(path, tmp_path / "out.png"), answer(seen))
    # Pillow's WebP loses unless it is told not to
    assert ("noise is not white" in capsys.readouterr().err) == (suffix in (".jpg", ".webp"))
    assert main(["denoise", str(path), str(tmp_path / "out.jpg"), "--weight", "1"]) == 2
    assert "JPEG would change the answer" in capsys.readouterr().err


def test_lossless_webp_and_bmp_hold_the_answer(tmp_path, capsys):
    Image.fromarray(colours(4)).save(
        tmp_path / "in.webp", lossless=True, exact=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
    )
    found = denoised(tmp_path / "in.webp", tmp_path / "out.webp")
    np.testing.assert_array_equal(found[..., :3], answer(colours()))
    np.testing.assert_array_equal(found[..., 3], gray(seed=3))
    Image.fromarray(gray()).save(tmp_path / "in.bmp", dpi=(100, 100))
    np.testing.assert_array_equal(denoised(tmp_path / "in.bmp", tmp_path / "out.bmp"), answer(gray()))
    assert Image.open(io.BytesIO((tmp_path / "out.bmp").read_bytes())).info["dpi"] == pytest.approx((100, 100), abs=0.1)
    assert capsys.readouterr().err == ""
    assert main(["denoise", str(tmp_path / "in.bmp"), str(tmp_path / "out.webp"), "--weight", "1", "--overwrite"]) == 2
    assert "WEBP cannot hold" in capsys.readouterr().err


def chunks(path):
    """The chunks of a PNG, its numbers apart."""
    content, at, found = path.read_bytes(), 8, {}
    while at < len(content):
        (size,), name = struct.unpack(">I", content[at : at + 4]), content[at + 4 : at + 8]
        found[name] = found.get(name, b"") + content[at + 8 : at + 8 + size]
        at += 12 + size
    return {name: data for name, data in found.items() if name != b"IDAT"}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_a_png_says_is_said_again(dtype, tmp_path):
    info = PngInfo()
    info.add_text("Comment", "by hand")
    info.add_itxt("Title", "Möwe", "de", "Titel")
    info.add(b"gAMA", struct.pack(">I", 45455))
    info.add(b"tIME", struct.pack(">H5B", 2026, 1, 2, 3, 4, 5))
    exif = Image.Exif()
    exif[271] = "a camera"
    path = tmp_path / "in.png"
    Image.fromarray(gray(dtype=dtype)).save(path, pnginfo=info, dpi=(300, 300), icc_profile=b"a profile", exif=exif)
    np.testing.assert_array_equal(denoised(path, tmp_path / "out.png"), answer(gray(dtype=dtype)))
    said = chunks(path)
    assert chunks(tmp_path / "out.png") == said
    assert {b"gAMA", b"tIME", b"iCCP", b"pHYs", b"eXIf", b"tEXt", b"iTXt"} <= set(said)


def test_transparency_of_palettes_and_of_one_colour_is_alpha(tmp_path):
    palette = Image.fromarray(colours()).quantize(16)
    palette.save(tmp_path / "palette.png", transparency=3)
    Image.fromarray(gray()).save(tmp_path / "gray.png", transparency=int(gray()[5, 5]))
    Image.fromarray(colours()).save(tmp_path / "colours.png", transparency=tuple(map(int, colours()[5, 5])))
    for name, mode in {"palette": "RGBA", "gray": "LA", "colours": "RGBA"}.items():
        seen = np.array(Image.open(io.BytesIO((tmp_path / f"{name}.png").read_bytes())).convert(mode))
        assert 0 < (seen[..., -1] == 0).sum() < seen[..., -1].size
        found = denoised(tmp_path / f"{name}.png", tmp_path / "out.png")
        np.testing.assert_array_equal(found[..., -1], seen[..., -1])
        np.testing.assert_array_equal(found[..., :-1], answer(seen[..., :-1]))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_how_a_picture_is_turned_is_kept_or_obeyed(orientation, tmp_path):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(colours()).save(tmp_path / "in.jpg", exif=exif, quality=95)
    before = Image.open(io.BytesIO((tmp_path / "in.jpg").read_bytes()))
    found = denoised(tmp_path / "in.jpg", tmp_path / "out.png")
    np.testing.assert_array_equal(found, answer(np.array(before)))
    after = Image.open(io.BytesIO((tmp_path / "out.png").read_bytes()))
    assert after.getexif().get(274, 1) == orientation
    upright = np.array(ImageOps.exif_transpose(after))
    denoised(tmp_path / "in.jpg", tmp_path / "out.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), upright)
    np.testing.assert_array_equal(denoised(tmp_path / "in.jpg", tmp_path / "out.bmp"), upright)
    # a TIFF says it too; and beside one that is upright the picture is compared as it looks
    denoised(tmp_path / "in.jpg", tmp_path / "out.tif")
    assert Image.open(io.BytesIO((tmp_path / "out.tif").read_bytes())).getexif().get(274, 1) == orientation
    Image.fromarray(upright).save(tmp_path / "upright.png")
    files = [str(tmp_path / name) for name in ("upright.png", "out.png")]
    assert main(["compare", *files, "--penalty", "none", "--quiet", "--csv", str(tmp_path / "found.csv")]) == 0
    assert ",inf," in (tmp_path / "found.csv").read_text()


def test_pictures_that_move_are_counted(tmp_path, capsys):
    frames = [Image.fromarray(gray(seed=k)) for k in range(3)]
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:])
    assert main(["denoise", str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--weight", "1"]) == 2
    assert "holds 3 pages: --page (0 to 2) takes one" in capsys.readouterr().err
    np.testing.assert_array_equal(denoised(tmp_path / "in.png", tmp_path / "out.png", "--page", "2"), answer(gray(seed=2)))


def test_what_would_be_cut_is_refused(tmp_path, capsys):
    """16 bits with colours, which Pillow reads as 8; and kinds of colours that are none."""
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(12)) * 2)
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    (tmp_path / "in.png").write_bytes(content)
    Image.fromarray(colours(4), "CMYK").save(tmp_path / "in.jpg")
    for name, message in {"in.png": "would be cut to 8 bits", "in.jpg": "colours are CMYK"}.items():
        assert main(["denoise", str(tmp_path / name), str(tmp_path / "out.npy"), "--weight", "1"]) == 2
        assert message in capsys.readouterr().err


def test_significant_bits_tell_the_range(tmp_path, capsys):
    """A PNG scales what it holds to all 16 bits; numbers that lie below say that it did not."""
    info = PngInfo()
    info.add(b"sBIT", bytes([12]))
    for image, code in ((gray(dtype=np.uint16) // 4, 0), (gray(dtype=np.uint16) // 16, 2)):
        Image.fromarray(image).save(tmp_path / "in.png", pnginfo=info)
        arguments = ["compare", str(tmp_path / "in.png"), "--noise-std", "0.1", "--penalty", "none", "--quiet"]
        assert main(arguments) == code
        assert ("--data-range" in capsys.readouterr().err) == (code == 2)


@pytest.mark.parametrize("depth", [2, 4])
def test_a_transparent_gray_of_few_bits_is_transparent(depth, tmp_path):
    rows = np.arange(64).reshape(8, 8) % 2**depth
    bits = [np.packbits(((row[:, None] >> np.arange(depth)[::-1]) & 1).astype(np.uint8).ravel()) for row in rows]
    data = zlib.compress(b"".join(b"\0" + own.tobytes() for own in bits))
    content = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", 8, 8, depth, 0, 0, 0, 0)
    for name, own in (
        (b"IHDR", header),
        (b"tRNS", struct.pack(">H", 1)),
        (b"IDAT", data),
        (b"tEXt", b"Late\0word"),
        (b"IEND", b""),
    ):
        content += struct.pack(">I", len(own)) + name + own + struct.pack(">I", zlib.crc32(name + own))
    (tmp_path / "in.png").write_bytes(content)
    found = denoised(tmp_path / "in.png", tmp_path / "out.png")
    np.testing.assert_array_equal(found[..., 1] == 0, rows == 1)
    # what was said after the numbers is said too
    assert b"Late\0word" in (tmp_path / "out.png").read_bytes()


def test_what_a_kind_would_lose_is_refused(tmp_path, capsys):
    Image.fromarray(colours(4)).save(tmp_path / "in.png")
    assert main(["denoise", str(tmp_path / "in.png"), str(tmp_path / "out.bmp"), "--weight", "1"]) == 2
    assert "BMP cannot hold" in capsys.readouterr().err
    # a TIFF of 32 bits under another name
    Image.fromarray(np.full((8, 8), 70000, np.int32)).save(tmp_path / "other.png", format="TIFF")
    assert main(["denoise", str(tmp_path / "other.png"), str(tmp_path / "out.png"), "--weight", "1"]) == 2
    assert "its content is of another kind" in capsys.readouterr().err
