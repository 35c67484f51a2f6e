"""One POST /items, layer by layer: for `manage.py profile_items`, and for nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, **values: Any) -> Iterator[None]:
    """Within, these attributes of a module, an object or the settings are others."""
    before = {name: getattr(owner, name) for name in values}
    _set(owner, values)
    try:
        yield
    finally:
        _set(owner, before)


def _set(owner: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(owner, name, value)
