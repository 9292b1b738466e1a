"""Penalties: one file a family, each imported when it is first used; `registry` lists them."""

from typing import TYPE_CHECKING, Any

from . import registry

if TYPE_CHECKING:
    from .registry import *  # noqa: F403

__all__ = registry.__all__


def __getattr__(name: str) -> Any:
    if name not in registry.BUILT_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = registry.load(registry.BUILT_IN[name].home, name)
    return value
