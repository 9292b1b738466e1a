"""The command line: ``proxsparse demo``, ``denoise IN OUT``, ``compare TRUTH NOISY`` and ``doctor``."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
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
    demo.add_argument("--overwrite", action="store_true", help="replace the picture where it exists")

    _add_denoise(commands)
    _add_compare(commands)
    commands.add_parser("doctor", help="for bug reports: versions, the kernel cache, problems with known answers")
    return parser


def _add_denoise(commands: Any) -> None:
    denoise = commands.add_parser(
        "denoise",
        help="denoise an image file",
        description="Denoise a TIFF, PNG, JPEG, BMP, WebP, .npy or .npz. Integer files are read as fractions of their range, "
        "so that a weight means the same for 8 and 16 bits, and rounded and clipped on writing. Alpha is kept as it is, and "
        "what else the file says. Channels are worked on together; images of a stack each by itself.",
    )
    denoise.add_argument("input", type=Path, metavar="IN")
    denoise.add_argument("output", type=Path, metavar="OUT")
    denoise.add_argument("--penalty", default="tv", help="l1, tv, tv-aniso, overlap, regions, ... (default: %(default)s)")
    denoise.add_argument("--weight", type=_weight, nargs="+", help="the weight, of a sum one a part; or a rule; left out: auto")
    denoise.add_argument("--noise-std", type=float, help="the noise's standard deviation, as a fraction of an integer's range")
    denoise.add_argument("--method", default="auto", help="auto, fista, admm or chambolle-pock")
    denoise.add_argument("--tol", type=float, default=1e-4, help="relative duality gap (default: %(default)s)")
    denoise.add_argument("--maxiter", type=int, default=5000)
    denoise.add_argument("--nan", choices=("raise", "omit"), default="raise", help="omit: NaN was not measured and is filled")
    _add_reading(denoise)
    denoise.add_argument("--overwrite", action="store_true", help="replace OUT where it exists")
    denoise.add_argument("--quiet", action="store_true", help="say nothing unless something is wrong")


def _add_compare(commands: Any) -> None:
    compare = commands.add_parser(
        "compare",
        help="set classical answers beside a model's images, on ground truth",
        description="TRUTH, NOISY and the outputs are image files, or folders of files with the same names. Integer files are "
        "read as fractions of their range, so that all may be of different types.",
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
    compare.add_argument(
        "--noise-std", type=float, help="the noise, known to the rules, or to be made; as a fraction of an integer's range"
    )
    compare.add_argument(
        "--data-range",
        type=float,
        help="the range the images could take, in the truth's own numbers, as 4095 of 12 bits; 8 bits and full 16 need none",
    )
    compare.add_argument(
        "--support-tol",
        type=float,
        help="a pixel further than this from 0 is in the support; as a fraction of an integer's range (default: range / 255)",
    )
    _add_reading(compare)
    compare.add_argument("--seed", type=int, default=0, help="of the noise that is made")
    compare.add_argument("--workers", type=int, default=1, help="threads over the images; -1: one a core")
    compare.add_argument("--overwrite", action="store_true", help="replace the files to be written where they exist")
    compare.add_argument("--quiet", action="store_true", help="no table and no progress")


def _add_reading(command: argparse.ArgumentParser) -> None:
    """The options that say what a file holds."""
    command.add_argument("--channel-axis", type=int, help="axis of the channels, where the file does not tell it")
    command.add_argument(
        "--axes",
        metavar="LETTERS",
        help="what the file's axes are: Z, Y, X of space, C of channels, any other letter numbers images, as in TCYX",
    )
    command.add_argument(
        "--spacing",
        type=float,
        nargs="+",
        help="the distance of samples along each axis of space, as of voxels that are no cubes; left out: as the file tells it",
    )
    command.add_argument("--page", type=int, help="of a file of several pages or pictures this one, from 0")


def _weight(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, 1 where the tolerance was not met, 2 where something was wrong."""
    from .picture import FileError

    options = _parser().parse_args(arguments)
    try:
        with _telling_of_compilation(options):
            code = {"demo": _demo, "denoise": _denoise, "compare": _compare, "doctor": _doctor}[options.command](options)
        # here, not at exit, where a reader that has left would be a traceback
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # whoever read has left; nothing is to be written to it at the end either
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return 141
    except (FileError, ValueError, TypeError, ImportError, OSError, MemoryError) as error:
        _complain(str(error) or type(error).__name__, options)
        return 2
    except KeyboardInterrupt:
        print("proxsparse: interrupted", file=sys.stderr)
        return 130


def _complain(message: str, options: argparse.Namespace) -> None:
    """Say what is wrong on stderr, in the command line's own words."""
    given = vars(options)
    message = message.replace("nan_policy='omit'", "--nan omit").replace("options={'maxiter': ...}", "--maxiter")
    message = message.replace("path(image, penalty, 10) shows smaller ones, and without a weight", "without --weight")
    for name in sorted(set(given) - {"truth", "noisy", "input", "output", "command"}, key=len, reverse=True):
        # not in paths
        message = re.sub(rf"(?<![\w/.-]){name}=", f"--{name.replace('_', '-')} ", message)
        if "_" in name:
            message = re.sub(rf"(?<![\w/.-]){name}(?![\w/.])", f"--{name.replace('_', '-')}", message)
    message = re.sub(r"(?<![\w/.-])noisy=", "NOISY", message).replace("  ", " ").replace(" ,", ",")
    print(f"proxsparse: {message}", file=sys.stderr)


@contextlib.contextmanager
def _telling_of_compilation(options: argparse.Namespace) -> Iterator[None]:
    """Say once that kernels are being compiled, where the first of them is."""
    if getattr(options, "quiet", False):
        yield
        return
    from ..kernels import _cache

    class Teller(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno == logging.INFO:
                _cache.log.removeHandler(self)
                print("compiling kernels, once (a few seconds)", file=sys.stderr, flush=True)

    teller, level = Teller(), _cache.log.level
    _cache.log.addHandler(teller)
    _cache.log.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        _cache.log.removeHandler(teller)
        _cache.log.setLevel(level)


def _demo(options: argparse.Namespace) -> int:
    from . import demo
    from .files import require_writable

    draw = not options.no_picture
    if draw and not demo.has_matplotlib():
        raise ValueError('the picture needs matplotlib: pip install "proxsparse[plot]", or give --no-picture')
    if draw:
        require_writable(options.output, options.overwrite)
    demo.main(options.output, draw, print)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from . import doctor

    return 0 if doctor.main(print) else 1


def _denoise(options: argparse.Namespace) -> int:
    from .._solve import solve
    from .files import read, require_holds, require_suffix, require_writable, write
    from .picture import FileError

    # before the work, not after it
    require_suffix(options.output)
    require_writable(options.output, options.overwrite)
    picture = read(options.input, options.channel_axis, options.axes, options.page)
    require_holds(options.output, picture)
    say = (lambda line: None) if options.quiet else print
    say(f"{options.input}: {picture.describe()}")
    for note in picture.notes:
        _complain(f"{options.input}: {note}", options)
    weight = tuple(options.weight) if options.weight and len(options.weight) > 1 else options.weight and options.weight[0]
    spacing = picture.spacing if options.spacing is None else tuple(options.spacing)
    results, images, said = [], picture.images, []
    for i, image in enumerate(images):
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = solve(
                    image,
                    options.penalty,
                    weight,
                    noise_std=options.noise_std,
                    channel_axis=picture.channel_axis,
                    ndim=image.ndim - (picture.channel_axis is not None),
                    spacing=spacing,
                    nan_policy=options.nan,
                    method=options.method,
                    tol=options.tol,
                    options={"maxiter": options.maxiter},
                )
        except ValueError as error:
            which = f"image {i}: " if len(images) > 1 else ""
            raise FileError(f"{options.input}: {which}{error}") from None
        results.append(result)
        # what is about convergence is said below, in one line
        said += [str(own.message) for own in caught if own.category is UserWarning]
    write(options.output, picture, [result.x for result in results], options.overwrite)
    for line in dict.fromkeys(said):
        _complain(line, options)
    return _told(results, options, say)


def _told(results: list[Any], options: argparse.Namespace, say: Callable[[str], object]) -> int:
    """Say what came of the images; returns the exit code."""
    import numpy as np

    first, worst = results[0], max(results, key=lambda result: float(result.rel_gap))
    if first.weight_rule != "given":
        weights, noises = [result.weight for result in results], [result.noise_std for result in results]
        noise = "" if None in noises else f", noise {_span(noises)}"
        chosen = " ".join(_span(part) for part in np.atleast_2d(np.transpose(weights)).tolist())
        say(f"weight {chosen} by {first.weight_rule}{noise}")
    run = f"{_span([result.nit for result in results])} iterations of {first.method}"
    several = f"{len(results)} images, " if len(results) > 1 else ""
    seconds = sum(result.time for result in results)
    say(f"wrote {options.output}: {several}relative gap {worst.rel_gap:.1e} after {run}, {seconds:.2f} s")
    failed = [result for result in results if not result.success]
    if failed:
        of = f" for {len(failed)} of {len(results)} images" if len(results) > 1 else ""
        _complain(f"{failed[0].message} The relative gap is above {options.tol:g}{of}.", options)
    return int(bool(failed))


def _span(numbers: Sequence[float]) -> str:
    """A number, or from where to where several go."""
    low, high = f"{min(numbers):.3g}", f"{max(numbers):.3g}"
    return low if low == high else f"{low}..{high}"


def _compare(options: argparse.Namespace) -> int:
    from ..comparison.compare import PENALTIES_BY_DEFAULT, compare
    from ..result import ConvergenceWarning
    from .files import require_writable, write_text

    for target in filter(None, (options.report, options.csv)):
        # before the work, not after it
        require_writable(target, options.overwrite)
    given = [_named(text) for text in options.output]
    if len({name for name, _ in given}) < len(given):
        raise ValueError("two outputs of one name")
    truths = _Images(options.truth, options)
    channel_axis, spacing = truths.alike(options)
    if truths.fractions and options.support_tol is not None and options.support_tol >= 1:
        raise ValueError(f"--support-tol is a fraction of the range, as of 0.01, got {options.support_tol:g}")
    data_range = 1.0 if truths.fractions else options.data_range
    scale = data_range or 1.0
    noisy = None if options.noisy is None else _Images(options.noisy, options, truths)
    outputs = {name: _Images(path, options, truths) for name, path in given}
    images = truths.of_range(scale)
    with warnings.catch_warnings(record=True) as caught, _files_named(truths, noisy, outputs):
        warnings.simplefilter("always")
        found = compare(
            images,
            {name: own.of_range(scale) for name, own in outputs.items()},
            noisy=None if noisy is None else noisy.of_range(scale),
            noise_std=options.noise_std,
            penalties=options.penalty or PENALTIES_BY_DEFAULT,
            weight=_ways(options.weight),
            data_range=data_range,
            support_tol=options.support_tol,
            channel_axis=channel_axis,
            spacing=spacing,
            ndim=images[0].ndim - (channel_axis is not None),
            rng=options.seed,
            workers=options.workers,
            disp=not options.quiet,
        )
    for warning in caught:
        if "in one unit" in str(warning.message):
            raise ValueError(str(warning.message))
    found.labels = truths.labels
    found.provenance["files"] = {"truth": str(options.truth), "noisy": str(options.noisy), **{n: str(p) for n, p in given}}
    say = (lambda line: None) if options.quiet else print
    say(found.to_markdown(width=_WIDTH))
    if len(images) > 1:
        say("\n" + found.by_image("psnr", width=_WIDTH))
    if options.report is not None:
        write_text(options.report, found.page(), options.overwrite)
        say(f"wrote {options.report}")
    if options.csv is not None:
        write_text(options.csv, found.csv(), options.overwrite)
        say(f"wrote {options.csv}")
    for line in dict.fromkeys(str(own.message) for own in caught if issubclass(own.category, UserWarning)):
        _complain(line, options)
    return int(any(issubclass(warning.category, ConvergenceWarning) for warning in caught))


@contextlib.contextmanager
def _files_named(truths: _Images, noisy: _Images | None, outputs: dict[str, _Images]) -> Iterator[None]:
    """Name files where an error names the images of a list."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        for name, own in {"truth": truths, "noisy": noisy, **outputs}.items():
            for i, label in enumerate(own.labels if own is not None else []):
                message = message.replace(f"{name}[{i}]", label)
        raise ValueError(message) from None


#: of lines on a terminal
_WIDTH = 100


class _Images:
    """The images of a file or folder, each of the truth's shape and in its units where there is a truth."""

    def __init__(self, path: Path, options: argparse.Namespace, truth: _Images | None = None) -> None:
        from .files import matching, read
        from .picture import FileError

        files, left_out = matching(path, options.truth)
        if left_out:
            more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
            why = "no images" if truth is None else "nothing that the truth has"
            _complain(f"{path}: left out {left_out[0].name}{more}, {why}", options)
        self.pictures = [read(file, options.channel_axis, options.axes, options.page) for file in files]
        trues = self.pictures if truth is None else truth.pictures
        alike = len({own.stored.dtype for own in trues}) == 1
        for picture, true in zip(self.pictures, trues, strict=True):
            for note in picture.notes:
                _complain(f"{picture.name}: {note}", options)
            if truth is not None and picture.stored.dtype == true.stored.dtype:
                picture.top = true.top
            elif picture.stored.dtype.kind in "iu":
                # of several types each that tells its range keeps it
                asked = options.data_range if truth is None and (alike or picture.range_told is None) else None
                picture.top = _top(
                    picture, asked, "give --data-range" if truth is None else "save it as the truth or as floats"
                )
        self.each = [picture.looked_at for picture in self.pictures]
        for picture, own, wanted in zip(self.pictures, self.each, self.each if truth is None else truth.each, strict=True):
            if len(own) != len(wanted) or own[0].shape != wanted[0].shape:
                several = f"{len(own)} images of shape " if len(own) > 1 or len(wanted) > 1 else "shape "
                raise FileError(f"{picture.name}: has {several}{own[0].shape}, the truth {wanted[0].shape}")

    @property
    def labels(self) -> list[str]:
        """A name for each image."""
        names = []
        for picture, own in zip(self.pictures, self.each, strict=True):
            name = Path(picture.name).name
            names += [name] if len(own) == 1 else [f"{name} {i}" for i in range(len(own))]
        return names

    def alike(self, options: argparse.Namespace) -> tuple[int | None, tuple[float, ...] | None]:
        """The axis of the channels and the spacing of all; raises ValueError where they are not those of one comparison."""
        axes = {picture.channel_axis for picture in self.pictures}
        if len(axes) > 1:
            raise ValueError(f"{options.truth}: gray and colour images in one folder")
        if len({picture.stored.dtype.kind == "f" for picture in self.pictures}) > 1:
            raise ValueError(f"{options.truth}: integers and floats in one folder, whose ranges differ")
        if options.spacing is not None:
            return axes.pop(), tuple(options.spacing)
        spacings = {picture.spacing for picture in self.pictures}
        if len(spacings) > 1:
            raise ValueError(f"{options.truth}: images of several spacings, {spacings}: --spacing says one for all")
        return axes.pop(), spacings.pop()

    @property
    def fractions(self) -> bool:
        """Whether all are fractions of an integer type's range."""
        return all(picture.stored.dtype.kind in "iub" for picture in self.pictures)

    def of_range(self, data_range: float) -> list[Any]:
        """All images; those of integer files as fractions of that range."""
        scales = [data_range if picture.stored.dtype.kind in "iub" else 1.0 for picture in self.pictures]
        return [image if by == 1 else image * by for by, own in zip(scales, self.each, strict=True) for image in own]


def _top(picture: Any, asked: float | None, remedy: str) -> float:
    """The number of an integer file that is 1; raises FileError where nobody tells it and its numbers leave it in doubt."""
    from .picture import FileError

    dtype, largest = picture.stored.dtype, picture.largest
    if asked is not None:
        if largest > asked:
            raise FileError(f"{picture.name}: reaches {largest:g}, above --data-range {asked:g}, which is in its own numbers")
        return asked
    if picture.range_told is None and (dtype.kind == "i" or largest <= picture.top / 2):
        raise FileError(
            f"{picture.name}: holds {dtype} up to {largest:g}, which leaves its range in doubt (4095 of 12 bits, or "
            f"{picture.top:g}?): {remedy}"
        )
    return float(picture.top)


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
