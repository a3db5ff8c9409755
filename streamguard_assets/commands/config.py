"""``streamguard config``: every setting with its value, where the value comes from, and what it is for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from pydantic import BaseModel, SecretStr

from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.output import (
    CsvOption,
    Format,
    JsonOption,
    chosen_format,
    plain,
    print_note,
    print_records,
)
from streamguard_assets.settings import Origins, Settings, environment_variable, load_settings

MASK = "***"

SECRET_OPTION = re.compile(r"pass(word|wd|phrase)|secret|token|credential|jaas|oauthbearer|private|key(?!.*location)")
"""Names of free options (librdkafka's, Spark's, the broker's) whose value may be a secret."""

USER_INFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""``user:password`` in an address."""


@dataclass(frozen=True)
class ConfigEntry:
    """One setting. ``value`` is in JSON's types with secrets masked; ``origin`` names the variable or the file."""

    key: str
    value: Any
    origin: str
    description: str
    variable: str


def config_entries(settings: Settings, origins: Origins) -> list[ConfigEntry]:
    """Every key of the tree in its order; a free-form option or a stream gets entries of its own."""
    return list(_entries(settings, (), origins))


def _entries(section: BaseModel, path: tuple[str, ...], origins: Origins) -> Iterator[ConfigEntry]:
    for name, field in type(section).model_fields.items():
        yield from _entries_of(getattr(section, name), (*path, name), field.description or "", origins)


def _entries_of(value: Any, path: tuple[str, ...], description: str, origins: Origins) -> Iterator[ConfigEntry]:
    if isinstance(value, BaseModel):
        yield from _entries(value, path, origins)
    elif isinstance(value, Mapping) and value:
        for name, inner in value.items():
            masked = MASK if isinstance(inner, str) and SECRET_OPTION.search(name.lower()) else inner
            yield from _entries_of(masked, (*path, name), description, origins)
    else:
        key = ".".join(path)
        yield ConfigEntry(key, _shown(value), str(origins.of(path)), description, environment_variable(key))


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASK
    simple = plain(value)
    return USER_INFO.sub(MASK, simple) if isinstance(simple, str) else simple


def config(
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY", help="Only these keys, or all keys of these sections.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show every setting: its value, where the value comes from, and what it is for. Secrets are masked.

    A value is taken from the environment, else from the TOML file, else it is the default.

    ```
    streamguard config                        every key
    streamguard config kafka broker.port      one section and one key
    streamguard config --json                 for programs, with the variable of each key
    STREAMGUARD_BROKER__PORT=9092 streamguard config broker
    ```

    Exits with 0; 1 if there is no such key; 3 if a setting is wrong or unknown (the text names it).
    """
    form = chosen_format(as_json, as_csv)
    settings = load_settings()
    origins = Origins.read()
    entries = [entry for entry in config_entries(settings, origins) if _is_wanted(entry.key, keys or [])]
    if not entries:
        raise CommandError(f"no setting is called {' or '.join(keys or [])}; `streamguard config` lists every key")
    print_records(map(asdict, entries), form, columns=["key", "value", "origin", "description"])
    if form is Format.TABLE and not keys:
        print_note(
            f"\nSet a key in {origins.file or 'streamguard.toml'}, or as a variable: "
            f"{entries[1].key} is {entries[1].variable}."
        )


def _is_wanted(key: str, wanted: list[str]) -> bool:
    return not wanted or any(key == name or key.startswith(f"{name}.") for name in wanted)
