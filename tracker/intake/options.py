"""Parse the options behind the `?` of an INTAKE_URL. Each option is declared once."""

import re
from dataclasses import field, fields
from typing import Self, TypeVar
from urllib.parse import parse_qsl

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T", int, str)


def option(default: T, pattern: str, words: str) -> T:
    """Declare an option: its default, the pattern of its values, and how a person would say it."""
    declared: T = field(default=default, metadata={"pattern": pattern, "words": words})
    return declared


def positive(default: int, *, max_digits: int = 18) -> int:
    """Declare an option that is a whole number above 0."""
    words = f"a whole number above 0 of at most {max_digits} digits"
    return option(default, rf"0*[1-9]\d{{0,{max_digits - 1}}}", words)


class UrlOptions:
    """The base of frozen dataclasses whose fields are declared by `option` or `positive`."""

    @classmethod
    def parse(cls, query: str) -> Self:
        """Return the options of a query, with defaults for those that it does not have.

        Raises ImproperlyConfigured with one line that says what to do.
        """
        declared = {each.name: each for each in fields(cls)}  # type: ignore[arg-type]
        given: dict[str, int | str] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name not in declared:
                known = ", ".join(declared)
                raise ImproperlyConfigured(f"INTAKE_URL: no option {name!r}. There are: {known}.")
            about = declared[name].metadata
            if not re.fullmatch(about["pattern"], value, re.ASCII):
                raise ImproperlyConfigured(f"INTAKE_URL: {name} must be {about['words']}.")
            given[name] = int(value) if isinstance(declared[name].default, int) else value
        return cls(**given)
