"""Image files: read as floats, written back as they came; what is broken is one line."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest
import tifffile
from examples import image_of
from skimage.io import imread, imsave

from proxsparse import metrics, phantoms, solve
from proxsparse.cli import main


def gray(dtype):
    top = np.iinfo(dtype).max
    return np.clip((0.4 + 0.3 * image_of((24, 23))) * top, 0, top).astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "suffix"), [("uint8", ".png"), ("uint16", ".png"), ("uint8", ".tif"), ("uint16", ".tiff"), ("int16", ".npy")]
)
def test_integer_files_are_fractions_of_their_range(dtype, suffix, tmp_path, capsys):
    image, source, target = gray(dtype), tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    np.save(source, image) if suffix == ".npy" else imsave(source, image, check_contrast=False)
    assert main(["denoise", str(source), str(target), "--penalty", "tv", "--weight", "0.1"]) == 0
    top = np.iinfo(dtype).max
    assert f"fractions of its range 0..{top}" in capsys.readouterr().out
    written = np.load(target) if suffix == ".npy" else imread(target)
    assert written.dtype == image.dtype
    expected = np.clip(np.rint(solve(image / top, "tv", 0.1).x * top), np.iinfo(dtype).min, top)
    np.testing.assert_array_equal(written, expected)


@pytest.mark.parametrize(("dtype", "suffix"), [("float32", ".npy"), ("float64", ".npy"), ("float32", ".tif")])
def test_float_files_keep_their_values(dtype, suffix, tmp_path):
    image, source, target = image_of((24, 23)).astype(dtype), tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    np.save(source, image) if suffix == ".npy" else imsave(source, image, check_contrast=False)
    assert main(["denoise", str(source), str(target), "--weight", "0.1", "--quiet"]) == 0
    written = np.load(target) if suffix == ".npy" else imread(target)
    assert written.dtype == image.dtype
    np.testing.assert_array_equal(written, solve(image, "tv", 0.1).x)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colour_is_kept_as_it_came(channels, tmp_path):
    image = np.stack([gray("uint8")] * channels, axis=-1)
    image[..., -1] //= 2
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    imsave(source, image, check_contrast=False)
    assert main(["denoise", str(source), str(target), "--weight", "0.1", "--quiet"]) == 0
    written = imread(target)
    assert written.shape == image.shape
    if channels in (2, 4):
        np.testing.assert_array_equal(written[..., -1], image[..., -1])
    assert (written[..., 0] != image[..., 0]).any()


def test_tiff_is_read_by_what_it_says(tmp_path, capsys):
    """Planar colour, a gray volume, and CMYK, which is refused."""
    import tifffile

    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    arguments = ["denoise", str(source), str(target), "--weight", "0.1", "--quiet", "--overwrite"]
    planar = np.stack([gray("uint8")] * 3)
    tifffile.imwrite(source, planar, photometric="rgb", planarconfig="separate")
    assert main(arguments) == 0
    expected = solve(planar / 255, "tv", 0.1, channel_axis=0).x
    np.testing.assert_array_equal(imread_tiff(target), np.clip(np.rint(255 * expected), 0, 255))
    volume = image_of((9, 8, 4)).astype(np.float32)
    tifffile.imwrite(source, volume, photometric="minisblack")
    assert main(arguments) == 0
    np.testing.assert_array_equal(imread_tiff(target), solve(volume, "tv", 0.1, ndim=3).x)
    tifffile.imwrite(source, np.zeros((8, 8, 4), np.uint8), photometric="separated")
    assert main(arguments) == 2
    assert "neither gray nor RGB" in capsys.readouterr().err


def imread_tiff(path):
    import tifffile

    return tifffile.imread(path)


def test_bool_and_volume_and_channel_axis(tmp_path):
    mask = image_of((24, 23)) > 0.3
    np.save(tmp_path / "mask.npy", mask)
    assert main(["denoise", str(tmp_path / "mask.npy"), str(tmp_path / "out.npy"), "--weight", "0.3", "--quiet"]) == 0
    assert np.load(tmp_path / "out.npy").dtype == bool
    np.save(tmp_path / "rgb.npy", image_of((3, 9, 8)))
    arguments = [
        "denoise",
        str(tmp_path / "rgb.npy"),
        str(tmp_path / "out2.npy"),
        "--weight",
        "0.3",
        "--channel-axis",
        "0",
        "--quiet",
    ]
    assert main(arguments) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out2.npy"), solve(image_of((3, 9, 8)), "tv", 0.3, channel_axis=0).x)


def png(path, array, mode=None):
    from PIL import Image

    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)


def cut_short(path):
    png(path, np.random.default_rng(0).integers(0, 255, (64, 65), np.uint8))
    path.write_bytes(path.read_bytes()[:900])


def renamed(path):
    path.write_text("name,value\n1,2\n" * 50)


def header_alone(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n")


def lying_npy(path):
    np.save(path, np.zeros((4, 4)))
    # says 4 x 9
    path.write_bytes(path.read_bytes().replace(b"(4, 4)", b"(4, 9)"))


def pickled_npy(path):
    np.save(path, np.array([print], object), allow_pickle=True)


def words_npy(path):
    np.save(path, np.array(["a", "b"]))


def complex_npy(path):
    np.save(path, np.ones((3, 3), complex))


def huge_npy(path):
    """The header of 8 exabytes, and nothing after it."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**9)})


HOSTILE = {
    "cut.png": (cut_short, "cannot be read as PNG"),
    "text.png": (renamed, "cannot be read as PNG"),
    "text.tif": (renamed, "cannot be read as TIF"),
    "text.npy": (renamed, "cannot be read as NPY"),
    "header.png": (header_alone, "cannot be read as PNG"),
    "empty.png": (lambda path: path.write_bytes(b""), "cannot be read as PNG"),
    "empty.tif": (lambda path: path.write_bytes(b""), "cannot be read as TIF"),
    "empty.npy": (lambda path: path.write_bytes(b""), "cannot be read as NPY"),
    "lying.npy": (lying_npy, "cannot be read as NPY"),
    "pickled.npy": (pickled_npy, "cannot be read as NPY"),
    "words.npy": (words_npy, "not real numbers"),
    "complex.npy": (complex_npy, "not real numbers"),
    "huge.npy": (huge_npy, "cannot be read as NPY"),
    "nothing.npy": (lambda path: np.save(path, np.zeros((0, 3))), "is empty"),
    "folder.png": (lambda path: path.mkdir(), "cannot be read as PNG"),
    "folder.npy": (lambda path: path.mkdir(), "cannot be read as NPY"),
    "missing.png": (lambda path: None, "no such file"),
    "loop.png": (lambda path: path.symlink_to(path), "cannot be read as PNG"),
    "noext": (renamed, "unknown kind of file"),
}


@pytest.mark.parametrize("command", ["denoise", "compare"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_line_and_exit_code_2(name, command, tmp_path, capsys):
    make, message = HOSTILE[name]
    path, out = tmp_path / name, tmp_path / "out.npy"
    make(path)
    before = sorted(tmp_path.rglob("*"))
    good = tmp_path / "good.npy"
    np.save(good, image_of((9, 8)))
    arguments = {
        "denoise": ["denoise", str(path), str(out), "--weight", "0.1"],
        "compare": ["compare", str(good), str(path), "--data-range", "1", "--csv", str(tmp_path / "out.csv")],
    }[command]
    if command == "compare" and name.startswith("folder"):
        message = "is a folder"
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("proxsparse: ")
    assert message in said.err
    good.unlink()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", ["palette", "16-bit TIFF", "alpha", "1 bit", "gray and alpha"])
def test_kinds_of_files_that_are_no_surprise(kind, tmp_path):
    gray = (255 * phantoms.regions((24, 25))).round().astype(np.uint8)
    path = tmp_path / ("in.tif" if kind == "16-bit TIFF" else "in.png")
    out = tmp_path / ("out.tif" if kind == "16-bit TIFF" else "out.png")
    if kind == "palette":
        png(path, np.stack([gray, gray, 255 - gray], -1), "P")
    elif kind == "16-bit TIFF":
        tifffile.imwrite(path, gray.astype(np.uint16) * 257)
    elif kind == "alpha":
        png(path, np.stack([gray, gray, gray, np.full_like(gray, 77)], -1))
    elif kind == "gray and alpha":
        png(path, np.stack([gray, np.full_like(gray, 77)], -1))
    else:
        png(path, gray > 100)
    assert main(["denoise", str(path), str(out), "--weight", "0.02", "--quiet"]) == 0
    found = imread(out)
    assert found.shape[:2] == gray.shape
    if "alpha" in kind:
        assert (found[..., -1] == 77).all()
    if kind == "16-bit TIFF":
        assert found.dtype == np.uint16
        assert np.abs(found.astype(float) / 257 - gray).mean() < 5
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([path.name, out.name])


FULL = """
import resource, signal, sys
from proxsparse.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("suffix", ["png", *(pytest.param(suffix, marks=pytest.mark.slow) for suffix in ("tif", "npy", "csv"))])
def test_a_full_disk_leaves_no_half_file(suffix, tmp_path):
    np.save(tmp_path / "in.npy", np.random.default_rng(0).random((64, 65)))
    png(tmp_path / "in.png", np.random.default_rng(0).integers(0, 255, (64, 65), np.uint8))
    before = sorted(tmp_path.iterdir())
    out = tmp_path / f"out.{suffix}"
    given = tmp_path / ("in.png" if suffix == "png" else "in.npy")
    arguments = ["denoise", str(given), str(out), "--weight", "0.1", "--quiet"]
    if suffix == "csv":
        arguments = [
            "compare",
            str(given),
            "--noise-std",
            "0.1",
            "--data-range",
            "1",
            "--penalty",
            "none",
            "tv",
            "l1",
            "--csv",
            str(out),
        ]
        arguments += ["--quiet", "--report", str(tmp_path / "out.html")]
    done = subprocess.run([sys.executable, "-c", FULL, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be written" in done.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_of_one_array_is_read_and_written_under_its_name(tmp_path, capsys):
    np.savez(tmp_path / "in.npz", image=image_of((24, 23)))
    arguments = ["denoise", str(tmp_path / "in.npz"), str(tmp_path / "out.npz"), "--weight", "0.1", "--quiet"]
    assert main(arguments) == 0
    with np.load(tmp_path / "out.npz") as found:
        assert found.files == ["image"]
        np.testing.assert_array_equal(found["image"], solve(image_of((24, 23)), "tv", 0.1).x)
    np.savez(tmp_path / "in.npz", a=image_of((24, 23)), b=image_of((24, 23)))
    assert main([*arguments, "--overwrite"]) == 2
    assert "holds 2 arrays, a, b" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "package"), [("x.h5", "h5py"), ("x.nii.gz", "nibabel"), ("x.dcm", "pydicom"), ("x.mat", "scipy.io")]
)
def test_files_of_other_packages_name_the_lines_that_read_them(name, package, tmp_path, capsys):
    (tmp_path / name).write_bytes(b"something")
    assert main(["denoise", str(tmp_path / name), str(tmp_path / "out.npy")]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert f"are read by {package}: x = " in said
    assert f'numpy.save("{tmp_path}/x.npy", x)' in said


def test_pixels_that_are_nan_may_be_filled(tmp_path, capsys):
    image = image_of((24, 23))
    image[3:5, 4:9] = np.nan
    np.save(tmp_path / "in.npy", image)
    arguments = ["denoise", str(tmp_path / "in.npy"), str(tmp_path / "out.npy"), "--weight", "0.1", "--quiet"]
    assert main(arguments) == 2
    assert "--nan omit" in capsys.readouterr().err
    assert main([*arguments, "--nan", "omit"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), solve(image, "tv", 0.1, nan_policy="omit").x)


def test_where_nothing_can_be_written_nothing_is_solved(tmp_path, capsys, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("solved")

    monkeypatch.setattr("proxsparse._solve.solve", never)
    np.save(tmp_path / "in.npy", image_of((24, 23)))
    (tmp_path / "a folder.npy").mkdir()
    for out, message in {
        "out.jpg": "JPEG would change",
        "out.gif": "unknown kind of file",
        "none/out.npy": "no such directory",
        "out.png": "PNG cannot hold",
        "a folder.npy": "is a directory",
    }.items():
        assert main(["denoise", str(tmp_path / "in.npy"), str(tmp_path / out), "--weight", "0.1"]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert ".proxsparse-" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"in.npy", "a folder.npy"}


def mixed_files():
    """Names, and what writes an image of [0, 1] to a path: kinds, types, channels, compressions, axes."""
    from PIL import Image

    def eight(image, channels=0):
        array = np.rint(255 * image).astype(np.uint8)
        return np.stack([array // (k + 1) for k in range(channels)], -1) if channels else array

    def pillow(channels=0, **how):
        return lambda path, image: Image.fromarray(eight(image, channels)).save(path, **how)

    def tiff(channels=0, dtype=np.uint8, stack=(), **how):
        def save(path, image):
            top = 1 if dtype == np.float32 else np.iinfo(dtype).max
            array = (image * top).astype(dtype)
            array = np.stack([array // (k + 1) for k in range(channels)], -1) if channels else array
            tifffile.imwrite(
                path, np.broadcast_to(array, (*stack, *array.shape)).copy(), **({"photometric": "minisblack"} | how)
            )

        return save

    kinds = {f"plain.{suffix}": pillow() for suffix in ("png", "bmp", "jpg")}
    kinds |= {f"{n} channels.png": pillow(n) for n in (2, 3, 4)} | {f"colour.{suffix}": pillow(3) for suffix in ("bmp", "jpg")}
    kinds |= {f"{n}.webp": pillow(n, lossless=True) for n in (3, 4)} | {"lossy.webp": pillow(3)}
    kinds |= {"palette.png": lambda path, image: Image.fromarray(eight(image, 3)).quantize(64).save(path)}
    kinds |= {"1 bit.png": lambda path, image: Image.fromarray(image > 0.5).save(path)}
    kinds |= {f"{name}.tif": pillow(compression=name) for name in ("tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg")}
    kinds |= {f"{name} colour.tif": pillow(3, compression=name) for name in ("tiff_lzw", "jpeg")}
    for dtype in (np.uint8, np.uint16, np.float32):
        name = np.dtype(dtype).name
        kinds |= {f"{name}.tif": tiff(dtype=dtype), f"{name} big.tif": tiff(dtype=dtype, bigtiff=True, byteorder=">")}
        kinds |= {f"{name} stack.tif": tiff(dtype=dtype, stack=(2,), imagej=True, metadata={"axes": "TYX"})}
        kinds |= {f"{name} ome.tif": tiff(dtype=dtype, stack=(2, 2), ome=True, metadata={"axes": "TCYX"})}
        kinds |= {f"{name} volume.tif": tiff(dtype=dtype, stack=(3,), imagej=True, metadata={"axes": "ZYX"})}
    kinds |= {"white is 0.tif": tiff(photometric="miniswhite"), "bands.tif": tiff(5, planarconfig="contig")}
    kinds |= {"rgb.tif": tiff(3, photometric="rgb"), "alpha.tif": tiff(4, photometric="rgb", extrasamples=["unassalpha"])}
    kinds |= {"x.npy": lambda path, image: np.save(path, image), "x.npz": lambda path, image: np.savez(path, x=image)}
    kinds |= {"bytes.npy": lambda path, image: np.save(path, eight(image))}
    return kinds


REFUSED = {
    "cmyk.tif": lambda path, image: tifffile.imwrite(path, np.zeros((8, 8, 4), np.uint8), photometric="separated"),
    "cut.png": lambda path, image: cut_short(path),
    "text.tif": lambda path, image: renamed(path),
    "x.h5": lambda path, image: renamed(path),
}


@pytest.mark.slow
def test_two_hundred_mixed_files_are_answered_right_or_refused_in_one_line(tmp_path, capsys):
    """The answer is near the truth as it is seen; what is refused leaves nothing."""
    kinds = mixed_files() | REFUSED
    # one image each, as many phantoms as it takes
    for number in range(-(-200 // len(kinds))):
        truth = np.abs(phantoms.blobs((48, 47), seed=number))
        noisy = np.clip(0.2 + 0.6 * phantoms.add_noise(truth, 0.05, seed=number), 0, 1)
        for name, save in kinds.items():
            source = tmp_path / f"{number} {name}"
            target = tmp_path / f"out {source.name}{'.png' if name.endswith('jpg') else source.suffix}"
            save(source, noisy)
            code = main(["denoise", str(source), str(target), "--weight", "0.03"])
            said = capsys.readouterr().err
            if name in REFUSED:
                assert (code, len(said.splitlines()), target.exists()) == (2, 1, False)
                continue
            assert code == 0, said
            clean = tmp_path / f"clean {number} {name}"
            save(clean, 0.2 + 0.6 * truth)
            figures = {}
            for path in (source, target):
                table = tmp_path / "found.csv"
                files = ["compare", str(clean), str(path), "--penalty", "none", "--csv", str(table), "--overwrite", "--quiet"]
                if np.dtype(np.float32).name in name or name in ("x.npy", "x.npz"):
                    files += ["--data-range", "1"]
                assert main(files) == 0, capsys.readouterr().err
                lines = [line.split(",") for line in table.read_text().splitlines()]
                figures[path] = np.mean([float(line[lines[0].index("psnr")]) for line in lines[1:]])
            capsys.readouterr()
            # of one bit there is hardly any noise
            assert figures[target] >= figures[source] if name == "1 bit.png" else figures[target] > figures[source] + 2, name
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_arrays_of_three_axes_are_no_volumes_in_silence(tmp_path, capsys):
    np.save(tmp_path / "in.npy", image_of((24, 23, 3)))
    arguments = ["denoise", str(tmp_path / "in.npy"), str(tmp_path / "out.npy"), "--weight", "0.1", "--quiet", "--overwrite"]
    assert main(arguments) == 0
    assert "is taken for a volume: --axes CYX or YXC" in capsys.readouterr().err
    for more, expected in (
        (["--axes", "YXC"], solve(image_of((24, 23, 3)), "tv", 0.1, channel_axis=-1).x),
        (["--channel-axis", "-1"], solve(image_of((24, 23, 3)), "tv", 0.1, channel_axis=-1).x),
        (["--axes", "ZYX"], solve(image_of((24, 23, 3)), "tv", 0.1, ndim=3).x),
    ):
        assert main([*arguments, *more]) == 0
        assert capsys.readouterr().err == ""
        np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_odd_arrays_are_written_or_refused(tmp_path, capsys):
    np.save(tmp_path / "signal.npy", image_of((24,)))
    assert main(["denoise", str(tmp_path / "signal.npy"), str(tmp_path / "out.tif"), "--weight", "0.1"]) == 2
    assert "TIFF holds rows and columns" in capsys.readouterr().err
    for key in ("file", "allow_pickle"):
        with zipfile.ZipFile(tmp_path / "in.npz", "w") as file, file.open(f"{key}.npy", "w") as member:
            np.lib.format.write_array(member, image_of((24, 23)))
        assert main(["denoise", str(tmp_path / "in.npz"), str(tmp_path / "out.npz"), "--weight", "0.1", "--overwrite"]) == 0
        with np.load(tmp_path / "out.npz") as found:
            assert found[key].shape == (24, 23)
    np.save(tmp_path / "big.npy", gray("uint16").astype(">u2"))
    assert main(["denoise", str(tmp_path / "big.npy"), str(tmp_path / "out.png"), "--weight", "0.1"]) == 0
    expected = np.rint(65535 * np.clip(solve(gray("uint16") / 65535, "tv", 0.1).x, 0, 1))
    np.testing.assert_array_equal(imread(tmp_path / "out.png"), expected)


def test_mixed_folders_are_compared_or_refused_in_one_line(tmp_path, capsys):
    """Gray images of all kinds together; with colours, floats or another range among them one line."""
    kinds = {name: save for name, save in mixed_files().items() if name.split(".")[-1] in ("png", "tif", "bmp", "npy")}
    alone = {
        "plain.png",
        "plain.bmp",
        "uint8.tif",
        "uint8 big.tif",
        "packbits.tif",
        "tiff_lzw.tif",
        "white is 0.tif",
        "uint16.tif",
    }
    truth = np.abs(phantoms.blobs((48, 47)))
    for folder, image in (("truth", 0.2 + 0.6 * truth), ("noisy", np.clip(0.2 + 0.6 * phantoms.add_noise(truth, 0.05), 0, 1))):
        (tmp_path / folder).mkdir()
        for name in alone:
            kinds[name](tmp_path / folder / f"{name}.{name.split('.')[-1]}", image)
    arguments = ["compare", str(tmp_path / "truth"), str(tmp_path / "noisy"), "--penalty", "none", "tv", "--weight", "0.03"]
    assert main([*arguments, "--csv", str(tmp_path / "t.csv"), "--quiet"]) == 0
    lines = [line.split(",") for line in (tmp_path / "t.csv").read_text().splitlines()]
    psnr = {(line[0], line[1]): float(line[lines[0].index("psnr")]) for line in lines[1:]}
    assert {name for name, _ in psnr} == {f"{name}.{name.split('.')[-1]}" for name in alone}
    for name in alone:
        name = f"{name}.{name.split('.')[-1]}"
        assert psnr[name, "none"] == pytest.approx(30.6, abs=0.3)
        assert psnr[name, "tv"] > psnr[name, "none"] + 4
    capsys.readouterr()
    for other, message in (("rgb.tif", "gray and colour"), ("float32.tif", "integers and floats"), ("uint8 volume.tif", "")):
        for folder in ("truth", "noisy"):
            kinds[other](tmp_path / folder / f"other {other}", truth)
        assert main([*arguments, "--quiet"]) == (2 if message else 0) or other == "uint8 volume.tif"
        said = capsys.readouterr().err
        assert message in said
        assert len(said.splitlines()) <= 1
        for folder in ("truth", "noisy"):
            (tmp_path / folder / f"other {other}").unlink()
    # two images of one name
    kinds["plain.png"](tmp_path / "noisy" / "plain.png.bmp", truth)
    assert main([*arguments, "--quiet"]) == 2
    assert "holds two images named plain.png" in capsys.readouterr().err


def test_eight_bits_beside_twelve_keep_their_range(tmp_path, capsys):
    truth, noisy = np.abs(phantoms.blobs((48, 47))), np.clip(phantoms.add_noise(np.abs(phantoms.blobs((48, 47))), 0.1), 0, 1)
    for folder, image in (("truth", truth), ("noisy", noisy)):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "a.tif", np.rint(255 * image).astype(np.uint8), photometric="minisblack")
        tifffile.imwrite(tmp_path / folder / "b.tif", np.rint(4095 * image).astype(np.uint16), photometric="miniswhite")
    arguments = [
        "compare",
        str(tmp_path / "truth"),
        str(tmp_path / "noisy"),
        "--penalty",
        "none",
        "--quiet",
        "--data-range",
        "4095",
    ]
    assert main([*arguments, "--csv", str(tmp_path / "t.csv")]) == 0
    lines = [line.split(",") for line in (tmp_path / "t.csv").read_text().splitlines()]
    right = 10 * np.log10(1 / np.mean((noisy - truth) ** 2))
    assert [float(line[lines[0].index("psnr")]) for line in lines[1:]] == pytest.approx([right, right], abs=0.02)
    assert main([*arguments, "--support-tol", "60"]) == 2
    assert "--support-tol is a fraction" in capsys.readouterr().err


def test_voxels_are_those_of_the_file_in_a_comparison_too(tmp_path, capsys):
    volume = np.clip(0.4 + 0.2 * image_of((6, 24, 23)), 0, 1)
    noisy = np.rint(255 * np.clip(phantoms.add_noise(volume, 0.1), 0, 1)).astype(np.uint8)
    how = {"imagej": True, "resolution": (10, 10), "metadata": {"axes": "ZYX", "spacing": 0.5, "unit": "um"}}
    for name, image in (("truth", np.rint(255 * volume).astype(np.uint8)), ("noisy", noisy)):
        tifffile.imwrite(tmp_path / f"{name}.tif", image, **how)
    files = [str(tmp_path / f"{name}.tif") for name in ("truth", "noisy")]
    arguments = [
        "compare",
        *files,
        "--penalty",
        "tv",
        "--weight",
        "0.1",
        "--quiet",
        "--csv",
        str(tmp_path / "t.csv"),
        "--overwrite",
    ]

    def psnr(*more):
        assert main([*arguments, *more]) == 0
        head, line = (own.split(",") for own in (tmp_path / "t.csv").read_text().splitlines())
        return float(line[head.index("psnr")])

    truth = np.rint(255 * volume) / 255
    for more, spacing in (((), (5, 1, 1)), (("--spacing", "2", "1", "1"), (2, 1, 1))):
        expected = metrics.psnr(truth, solve(noisy / 255, "tv", 0.1, spacing=spacing).x, 1.0)
        assert psnr(*more) == pytest.approx(expected, abs=1e-9)


def test_what_is_wrong_with_an_image_of_a_folder_names_its_file(tmp_path, capsys):
    for folder in ("truth", "noisy"):
        (tmp_path / folder).mkdir()
        for name in ("first", "second"):
            np.save(tmp_path / folder / f"{name}.npy", image_of((24, 23)))
    broken = image_of((24, 23))
    broken[2, 3] = np.nan
    np.save(tmp_path / "noisy" / "second.npy", broken)
    folders = [str(tmp_path / folder) for folder in ("truth", "noisy")]
    assert main(["compare", *folders, "--penalty", "none", "--data-range", "1", "--quiet"]) == 2
    assert "second.npy has 1 NaN" in capsys.readouterr().err
