"""The command line: ``proxsparse demo``, ``denoise IN OUT``, ``compare TRUTH NOISY`` and ``doctor``."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import __version__


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="proxsparse", description="Certified classical denoising of images.")
    parser.add_argument("--version", action="version", version=f"proxsparse {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    demo = commands.add_parser("demo", help="solve a photograph and a phantom with five penalties; a table and a picture")
    demo.add_argument("--output", type=Path, default=Path("proxsparse-demo.png"), help="the picture (default: %(default)s)")
    demo.add_argument("--no-picture", action="store_true", help="the table alone; needs no matplotlib")

    denoise = commands.add_parser(
        "denoise",
        help="denoise an image file",
        description="Denoise a PNG, TIFF or .npy file. Integer files are read as fractions of their type's range, so that a "
        "weight means the same for 8 and 16 bits, and rounded and clipped on writing. Alpha is kept as it is.",
    )
    denoise.add_argument("input", type=Path, metavar="IN")
    denoise.add_argument("output", type=Path, metavar="OUT")
    denoise.add_argument("--penalty", default="tv", help="l1, tv, tv-aniso, overlap, regions, ... (default: %(default)s)")
    denoise.add_argument("--weight", type=_weight, nargs="+", help="the weight, of a sum one a part; or a rule; left out: auto")
    denoise.add_argument("--noise-std", type=float, help="the noise's standard deviation, as a fraction of an integer's range")
    denoise.add_argument("--method", default="auto", help="auto, fista, admm or chambolle-pock")
    denoise.add_argument("--tol", type=float, default=1e-4, help="relative duality gap (default: %(default)s)")
    denoise.add_argument("--maxiter", type=int, default=5000)
    denoise.add_argument(
        "--channel-axis", type=int, help="axis of the channels; PNG and TIFF with 2 to 4 on the last axis need none"
    )
    denoise.add_argument("--overwrite", action="store_true", help="replace OUT where it exists")
    denoise.add_argument("--quiet", action="store_true", help="say nothing unless something is wrong")

    compare = commands.add_parser(
        "compare",
        help="set classical answers beside a model's images, on ground truth",
        description="TRUTH, NOISY and the outputs are image files, or folders of files with the same names. Integer files are "
        "read as fractions of their type's range, so that all may be of different types; floats need --data-range.",
    )
    compare.add_argument("truth", type=Path, metavar="TRUTH")
    compare.add_argument("noisy", type=Path, metavar="NOISY", nargs="?", help="left out: noise of --noise-std is made")
    compare.add_argument(
        "--output", action="append", default=[], metavar="NAME=PATH", help="a model's image or folder; repeatable"
    )
    compare.add_argument("--report", type=Path, metavar="HTML", help="write one self-contained page")
    compare.add_argument("--csv", type=Path, help="write every figure of every image")
    compare.add_argument(
        "--penalty", nargs="+", metavar="NAME", help="penalties, regions, none, nlm, wavelet-bayes, bilateral, gaussian, bm3d"
    )
    compare.add_argument(
        "--weight", type=_weight, nargs="+", default=["auto", "oracle"], help="ways to a weight: auto, oracle, a number"
    )
    compare.add_argument("--noise-std", type=float, help="the noise, known to the rules, or to be made")
    compare.add_argument("--data-range", type=float, help="the range the images could take; 1 for integer files")
    compare.add_argument(
        "--support-tol", type=float, help="a pixel further than this from 0 is in the support (default: range / 255)"
    )
    compare.add_argument("--channel-axis", type=int)
    compare.add_argument("--seed", type=int, default=0, help="of the noise that is made")
    compare.add_argument("--workers", type=int, default=1, help="threads over the images")
    compare.add_argument("--overwrite", action="store_true", help="replace the files to be written where they exist")
    compare.add_argument("--quiet", action="store_true", help="no table and no progress")
    commands.add_parser("doctor", help="for bug reports: versions, the kernel cache, problems with known answers")
    return parser


def _weight(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, 1 where the tolerance was not met, 2 where something was wrong."""
    from .files import FileError

    options = _parser().parse_args(arguments)
    try:
        code = {"demo": _demo, "denoise": _denoise, "compare": _compare, "doctor": _doctor}[options.command](options)
        # here, not at exit, where a reader that has left would be a traceback
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # whoever read has left; nothing is to be written to it at the end either
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return 141
    except (FileError, ValueError, TypeError, ImportError, OSError, MemoryError) as error:
        print(f"proxsparse: {str(error) or type(error).__name__}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("proxsparse: interrupted", file=sys.stderr)
        return 130


def _demo(options: argparse.Namespace) -> int:
    from . import demo

    draw = not options.no_picture
    if draw and not demo.has_matplotlib():
        raise ValueError('the picture needs matplotlib: pip install "proxsparse[plot]", or give --no-picture')
    if draw and not options.output.parent.is_dir():
        raise ValueError(f"{options.output.parent}: no such directory")
    demo.main(options.output, draw, print)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from . import doctor

    return 0 if doctor.main(print) else 1


def _denoise(options: argparse.Namespace) -> int:
    import numpy as np

    from .._solve import solve
    from ..result import ConvergenceWarning
    from .files import read, require_free, write

    # before the work, not after it
    require_free(options.output, options.overwrite)
    picture = read(options.input, options.channel_axis)
    say = (lambda line: None) if options.quiet else print
    say(f"{options.input}: {picture.describe()}")
    weight = tuple(options.weight) if options.weight and len(options.weight) > 1 else options.weight and options.weight[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said below, in one line
        result = solve(
            picture.image,
            options.penalty,
            weight,
            noise_std=options.noise_std,
            channel_axis=picture.channel_axis,
            method=options.method,
            tol=options.tol,
            options={"maxiter": options.maxiter},
        )
    write(options.output, picture.restore(result.x), options.overwrite, picture.channel_axis)
    run = f"{result.nit} iterations of {result.method}, {result.time:.2f} s"
    if result.weight_rule != "given":
        noise = "" if result.noise_std is None else f", noise {result.noise_std:.3g}"
        say(f"weight {' '.join(f'{w:.3g}' for w in np.atleast_1d(result.weight))} by {result.weight_rule}{noise}")
    say(f"{options.output}: relative gap {result.rel_gap:.1e} after {run}")
    if not result.success:
        print(f"proxsparse: {result.message} The relative gap is above {options.tol:g}.", file=sys.stderr)
        return 1
    return 0


def _compare(options: argparse.Namespace) -> int:
    from ..comparison.compare import PENALTIES_BY_DEFAULT, compare
    from ..result import ConvergenceWarning
    from .files import FileError, matching, read, require_free, write_text

    for target in filter(None, (options.report, options.csv)):
        # before the work, not after it
        require_free(target, options.overwrite)
        if not target.parent.is_dir():
            raise FileError(f"{target.parent}: no such directory")
    given = [_named(text) for text in options.output]
    if len({name for name, _ in given}) < len(given):
        raise ValueError("two outputs of one name")
    truths = matching(options.truth, options.truth)
    truth_pictures = [read(file, options.channel_axis) for file in truths]
    shapes = [picture.image.shape for picture in truth_pictures]
    axes = {picture.channel_axis for picture in truth_pictures}
    if len(axes) > 1:
        raise ValueError(f"{options.truth}: gray and colour images in one folder")
    fractions = all(picture.dtype.kind in "ub" for picture in truth_pictures)
    noisy = None if options.noisy is None else _images(options.noisy, options, shapes)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = compare(
            [picture.image for picture in truth_pictures],
            {name: _images(path, options, shapes) for name, path in given},
            noisy=noisy,
            noise_std=options.noise_std,
            penalties=options.penalty or PENALTIES_BY_DEFAULT,
            weight=_ways(options.weight),
            data_range=1.0 if options.data_range is None and fractions else options.data_range,
            support_tol=options.support_tol,
            channel_axis=axes.pop(),
            rng=options.seed,
            workers=options.workers,
            disp=not options.quiet,
        )
    for warning in caught:
        if "in one unit" in str(warning.message):
            raise ValueError(str(warning.message))
    found.provenance["files"] = {"truth": str(options.truth), "noisy": str(options.noisy), **{n: str(p) for n, p in given}}
    if not options.quiet:
        print(found.to_markdown())
    if options.report is not None:
        write_text(options.report, found.page(), options.overwrite)
    if options.csv is not None:
        write_text(options.csv, found.csv(), options.overwrite)
    for warning in caught:
        print(f"proxsparse: {warning.message}", file=sys.stderr)
    return int(any(issubclass(warning.category, ConvergenceWarning) for warning in caught))


def _images(path: Path, options: argparse.Namespace, shapes: list[tuple[int, ...]]) -> list[Any]:
    """The images of a file or folder, each of the truth's shape."""
    from .files import FileError, matching, read

    images = []
    for file, shape in zip(matching(path, options.truth), shapes, strict=True):
        image = read(file, options.channel_axis).image
        if image.shape != shape:
            raise FileError(f"{file}: has shape {image.shape}, the truth {shape}")
        images.append(image)
    return images


def _ways(texts: list[Any]) -> Any:
    """Rules and numbers, or of NAME=WEIGHT, NAME=WEIGHT,WEIGHT a weight for each penalty."""
    if not any(isinstance(text, str) and "=" in text for text in texts):
        return tuple(texts)
    chosen: dict[str, Any] = {}
    for text in texts:
        name, equals, weights = str(text).partition("=")
        if not equals:
            raise ValueError(f"--weight takes rules and numbers, or NAME=WEIGHT for every penalty; got {text!r} beside these")
        numbers = [_weight(weight) for weight in weights.split(",")]
        chosen[name] = tuple(numbers) if len(numbers) > 1 else numbers[0]
    return chosen


def _named(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise ValueError(f"--output takes NAME=PATH, as in unet=net.png; got {text!r}")
    return name, Path(path)
