"""User names of simulated people."""

from __future__ import annotations

_FIRST = (
    "ada alan amir anna bela boris carla chen dara diego elena emil fatima felix gita hana hugo ines ivan jana "
    "jonas kim lara leo lina marco maya mia nadia noor olga omar paula pedro quinn rosa ruth sami sara"
)
_LAST = (
    "adler bauer castro costa diaz ekman fischer garcia haas ibrahim jensen kaya keller khan lopez meyer moreau "
    "nair novak okafor olsen park petrov quist rivera rossi sato silva singh tanaka usman vogel weber yilmaz zhou"
)
FIRST_NAMES = tuple(_FIRST.split())
LAST_NAMES = tuple(_LAST.split())

NAMES = len(FIRST_NAMES) * len(LAST_NAMES)
"""Names in the register before a number is appended."""

NAME_STEP = 557
"""Prime, and no factor of ``NAMES``: each name comes once before any comes again."""


def person_name(seed: int, index: int) -> str:
    """The user name of the ``index``-th person of this seed; distinct indices give distinct names."""
    first, last = divmod((seed + index * NAME_STEP) % NAMES, len(LAST_NAMES))
    suffix = str(index // NAMES + 1) if index >= NAMES else ""
    return f"{FIRST_NAMES[first]}.{LAST_NAMES[last]}{suffix}"
