"""Read environment variables: typed, strict, with clear errors.

Every reader raises `SettingError` with one line that says what to do. An empty value counts as not
set, because that is what an empty line in a unit file or a compose file gives.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

_FLAGS = {"1": True, "true": True, "yes": True, "on": True} | {
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_DATABASE_SCHEMES = {"sqlite", "postgres", "postgresql"}


class SettingError(ImproperlyConfigured):
    """An environment variable has a value that can't be used. The text says which and why."""


def text(name: str, default: str = "") -> str:
    """Return the value without surrounding white space, or the default."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, *, default: bool = False) -> bool:
    """Read a switch: 1/true/yes/on or 0/false/no/off in any case."""
    value = text(name)
    if not value:
        return default
    if value.lower() not in _FLAGS:
        raise SettingError(f"{name}={value!r} is not a switch: use 1 or 0.")
    return _FLAGS[value.lower()]


def whole_number(name: str, *, default: int, lowest: int = 0, highest: int) -> int:
    """Read a decimal number from `lowest` to `highest`, both included."""
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit() and lowest <= int(value) <= highest):
        raise SettingError(f"{name}={value!r} must be a whole number from {lowest} to {highest}.")
    return int(value)


def choice(name: str, *, default: str, among: tuple[str, ...]) -> str:
    """Read one word of a fixed set."""
    value = text(name, default)
    if value not in among:
        raise SettingError(f"{name}={value!r} must be one of: {', '.join(among)}.")
    return value


def words(name: str, default: str = "") -> list[str]:
    """Read a comma-separated list, without white space around its entries."""
    return [word for part in text(name, default).split(",") if (word := part.strip())]


def origins(name: str) -> frozenset[str]:
    """Read web origins in the form in which browsers send them (RFC 6454, section 6.2).

    Origins are compared as whole strings, so a value that no browser sends (with a path, an
    upper-case host or a default port) would silently match nothing: it is refused instead.
    """
    return frozenset(_origin(name, word) for word in words(name))


def _origin(name: str, word: str) -> str:
    if word in ("*", "null"):
        raise SettingError(
            f"{name} may not contain {word!r}: it would let any page read a visitor's cart id. "
            "List each shop's origin."
        )
    if not _ORIGIN.fullmatch(word) or word.endswith(_DEFAULT_PORTS[urlsplit(word).scheme]):
        raise SettingError(
            f"{name}: {word!r} is not an origin. Write it as the browser sends it: lower case, "
            "like https://shop.example or http://localhost:3000, no path, no default port."
        )
    return word


def database(name: str, default: str) -> dict[str, object]:
    """Return Django's settings for sqlite:///path or postgres://user:password@host/name."""
    url = text(name, default)
    scheme = urlsplit(url).scheme
    if scheme not in _DATABASE_SCHEMES:
        raise SettingError(
            f"{name}: {scheme or 'no scheme'!r} is not supported. "
            "Use sqlite:////absolute/path or postgres://user:password@host:5432/name."
        )
    try:
        config: dict[str, object] = environ.Env.db_url_config(url)
    except ValueError as error:
        raise SettingError(f"{name} is not a valid URL: {error}.") from None
    if not config.get("NAME"):
        raise SettingError(f"{name} names no database: put it after the last slash.")
    return config


def secret(name: str, make: Callable[[], str], keep_in: Path) -> str:
    """Return the value or, without one, a secret that is made once and kept in a file."""
    if value := text(name):
        return value
    try:
        if not keep_in.exists():
            _make_once(keep_in, make())
        return keep_in.read_text().strip()
    except OSError as error:
        raise SettingError(
            f"{name} is not set, and none can be kept in {keep_in}: {error}"
        ) from None


def directory(name: str, default: Path) -> Path:
    """Return a directory, which is created if it does not exist."""
    path = Path(text(name, str(default))).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"{name}: {path} can't be made: {error.strerror}.") from None
    return path


def _make_once(path: Path, content: str) -> None:
    """Create a file of mode 0600, completely or not at all. An existing file stays.

    It is written under another name and linked, so that two processes that start together use the
    same secret, and none reads a part of it.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
