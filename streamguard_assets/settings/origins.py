"""Where the value of each setting comes from: a variable, the file, a built-in stream, the default."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streamguard_assets.settings.section import SettingsError
from streamguard_assets.settings.streams import BUILT_IN_STREAMS

ENV_PREFIX = "STREAMGUARD_"
CONFIG_VARIABLE = "STREAMGUARD_CONFIG"
DEFAULT_CONFIG_FILE = Path("streamguard.toml")


def config_file() -> Path | None:
    """The TOML file in use, or None. A file that was named but is not there is an error, not a default."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named is None:
        return DEFAULT_CONFIG_FILE if DEFAULT_CONFIG_FILE.is_file() else None
    if not Path(named).is_file():
        raise SettingsError(f"{CONFIG_VARIABLE} names {named}, and there is no such file")
    return Path(named)


def environment_variable(key: str) -> str:
    """The variable that sets ``key``: ``kafka.bootstrap_servers`` is ``STREAMGUARD_KAFKA__BOOTSTRAP_SERVERS``."""
    return ENV_PREFIX + key.replace(".", "__").upper()


@dataclass(frozen=True)
class Origin:
    """Where a value comes from; ``name`` is the variable or the file."""

    kind: Literal["environment variable", "file", "built-in stream", "default"]
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.name else self.kind


@dataclass(frozen=True)
class Origins:
    """Where the value of each key comes from: read once from the environment and the TOML file."""

    variables: Mapping[str, str]
    file: Path | None
    file_values: Mapping[str, Any]

    @classmethod
    def read(cls) -> Origins:
        """Raises SettingsError for a file that is named and missing, TOMLDecodeError for one that is not TOML."""
        file = config_file()
        values = tomllib.loads(file.read_text("utf-8")) if file else {}
        variables = {
            name: text
            for name, text in os.environ.items()
            if name.upper().startswith(ENV_PREFIX) and name.upper() != CONFIG_VARIABLE
        }
        return cls(variables, file, values)

    def of(self, path: Sequence[str]) -> Origin:
        """The origin of the key ``path``, such as ``("kafka", "bootstrap_servers")``."""
        if (variable := self._variable(path)) is not None:
            return Origin("environment variable", variable)
        if holds(self.file_values, path):
            return Origin("file", str(self.file))
        return Origin("built-in stream" if holds({"streams": BUILT_IN_STREAMS}, path) else "default")

    def _variable(self, path: Sequence[str]) -> str | None:
        """The variable that holds ``path``: its own, one of a key in it, or a section above it set as JSON."""
        whole = environment_variable(".".join(path))
        for variable in self.variables:
            if variable.upper() == whole or variable.upper().startswith(f"{whole}__"):
                return variable
        for depth in range(len(path) - 1, 0, -1):
            section = environment_variable(".".join(path[:depth]))
            for variable, text in self.variables.items():
                if variable.upper() == section and holds(parsed_json(text), path[depth:]):
                    return variable
        return None


def holds(values: Any, path: Sequence[str]) -> bool:
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def parsed_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
