"""Where compiled kernels are kept between processes: one file for each kernel and its types, in a folder of our own.

The folder is named after all that the kernels are made from: sources, versions, Numba's settings in the environment. Numba's
own cache looks at the kernel's file alone, so that a kernel would go on with an old copy of what it calls in another file.
Whatever goes wrong with a file, or with the place for it, the kernel is compiled, and a line of level DEBUG goes to the log
"proxsparse". What is kept is unpickled, as in Numba's cache: the folder must be one that only trusted users write to.
"""

import contextlib
import functools
import hashlib
import logging
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba

log = logging.getLogger("proxsparse")

#: what of Numba's own settings changes no code
_IDLE = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_DISABLE_JIT")


def root() -> Path:
    """The folder of all versions: ``PROXSPARSE_CACHE_DIR``, else in ``NUMBA_CACHE_DIR``, else this user's for caches."""
    if given := os.environ.get("PROXSPARSE_CACHE_DIR"):
        return Path(given)
    from numba.misc.appdirs import AppDirs

    given = os.environ.get("NUMBA_CACHE_DIR")
    return Path(given) / "proxsparse" if given else Path(AppDirs("proxsparse", False).user_cache_dir)


@functools.cache
def folder() -> Path | None:
    """The folder of this version; None where there is no place or nothing to name it after."""
    try:
        sources = sorted(Path(__file__).parent.glob("*.py"))
        settings = sorted((k, v) for k, v in os.environ.items() if k.startswith("NUMBA_") and k not in _IDLE)
        versions = (numba.__version__, llvmlite.__version__, sys.version)
        key = hashlib.sha256(repr((versions, settings)).encode())
        for source in sources:
            key.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
        place = root()
        if not sources or not place.is_absolute():
            raise OSError(f"no sources, or {str(place)!r} is not absolute")
        return place / f"kernels-{key.hexdigest()[:24]}"
    except (OSError, ImportError) as error:
        log.debug("kernels are not kept: %s", error)
        return None


class Kept:
    """The compiled forms of one kernel, as Numba's dispatcher asks for them.

    What it takes from inside Numba is imported where a fault means compiling: another version may keep it elsewhere.
    """

    def __init__(self, function: Callable[..., Any], place: Path) -> None:
        self._place = place
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"

    @property
    def cache_path(self) -> str:
        """The folder."""
        return str(self._place)

    def _file(self, signature: Any, codegen: Any) -> Path:
        # the second part names the processor
        key = hashlib.sha256(repr((signature, codegen.magic_tuple())).encode()).hexdigest()
        return self._place / f"{self._name}-{key[:24]}.nbc"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled kernel kept for these types, or None."""
        try:
            from numba.core.compiler import CompileResult
            from numba.core.runtime.nrt import rtsys

            # all that a compiled kernel needs; what compiling needs takes as long to import as all the rest
            rtsys.initialize(target_context)
            file = self._file(sig, target_context.codegen())
            if not file.exists():
                log.info("compiling %s", self._name)
                return None
            content = file.read_bytes()
            if hashlib.sha256(content[32:]).digest() != content[:32]:
                raise ValueError("its check sum is wrong")
            return CompileResult._rebuild(target_context, *pickle.loads(content[32:]))
        except Exception as error:  # whatever it is, compiling is the answer
            log.debug("a kept form of %s cannot be used: %r", self._name, error)
            return None

    def holds(self, sig: Any, target_context: Any) -> bool:
        """Whether there is a file for these types."""
        try:
            return self._file(sig, target_context.codegen()).exists()
        except Exception as error:
            log.debug("whether %s is kept is not known: %r", self._name, error)
            return False

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for these types, whole or not at all."""
        temporary = None
        try:
            from numba.core.serialize import dumps

            content = dumps(data._reduce())
            file = self._file(sig, data.codegen)
            self._place.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".new-", dir=self._place)
            with os.fdopen(handle, "wb") as out:
                out.write(hashlib.sha256(content).digest() + content)
            # mkstemp's files are private; a folder may be shared
            os.chmod(temporary, 0o644)
            os.replace(temporary, file)
        except Exception as error:  # a full disk, a folder that is read-only: the kernel is there all the same
            log.debug("the compiled form of %s is not kept: %r", self._name, error)
        finally:
            if temporary is not None:
                # gone already where all went well
                with contextlib.suppress(OSError):
                    os.unlink(temporary)

    def enable(self) -> None:
        """Do nothing: the cache is always on. Numba's dispatcher calls it."""

    def disable(self) -> None:
        """Do nothing: the cache is always on. Numba's dispatcher calls it."""

    def flush(self) -> None:
        """Forget all forms of this kernel."""
        for file in self._place.glob(f"{self._name}-*.nbc"):
            file.unlink(missing_ok=True)
