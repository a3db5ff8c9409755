"""Reading the settings, and saying what is wrong with them: which key, where it was set, what is allowed."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from streamguard_assets.settings.origins import (
    DEFAULT_CONFIG_FILE,
    ENV_PREFIX,
    Origins,
    config_file,
    environment_variable,
    holds,
    parsed_json,
)
from streamguard_assets.settings.section import SettingsError
from streamguard_assets.settings.tree import Settings


def load_settings(**overrides: Any) -> Settings:
    """Read and validate every setting; ``SettingsError`` names each wrong key, where it was set and why."""
    try:
        origins = Origins.read()
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{config_file()} is not valid TOML: {error}") from None
    _check_variables(origins.variables)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        # The library's error holds the values given, passwords among them: only its findings travel on.
        raise SettingsError(_explain(error, origins, overrides)) from None


def _explain(error: ValidationError, origins: Origins, overrides: Mapping[str, Any]) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        path = [str(part) for part in problem["loc"] if part != "[key]"]
        what = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            what = f"not a setting{_suggestion(path)}"
        lines.append(f"{'.'.join(path)}: {what} ({_where(path, origins, overrides)})" if path else what)
    return "wrong settings:\n  " + "\n  ".join(lines)


def _where(path: Sequence[str], origins: Origins, overrides: Mapping[str, Any]) -> str:
    """Where the wrong value stands, or, when there is none, where to put one."""
    key = ".".join(path)
    if holds(overrides, path):
        return "given by the caller"
    origin = origins.of(path)
    if origin.name is not None:
        return f"set by {origin}"
    return f"set {environment_variable(key)}, or {key} in {origins.file or DEFAULT_CONFIG_FILE}"


def _check_variables(variables: Mapping[str, str]) -> None:
    """Refuse what the library ignores (a misspelt variable: the user would run on a default) or words badly."""
    for variable, text in variables.items():
        path = variable.upper().removeprefix(ENV_PREFIX).lower().split("__")
        kind = _annotation(path)
        if kind is None:
            raise SettingsError(f"{variable} is not a setting{_suggestion(path)}; `streamguard config` lists every key")
        if (_is_section(kind) or get_origin(kind) is dict) and not isinstance(parsed_json(text), dict):
            raise SettingsError(
                f"{variable} sets a whole section and is not a JSON object; set one key of it as {variable}__<KEY>"
            )


def _annotation(path: Sequence[str]) -> Any:
    """The declared type of the key ``path``, or None if there is no such key."""
    kind: Any = Settings
    for part in path:
        if _is_section(kind):
            field = kind.model_fields.get(part)
            kind = field.annotation if field else None
        else:
            kind = get_args(kind)[1] if get_origin(kind) is dict else None
    return kind


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _suggestion(path: Sequence[str]) -> str:
    """``; did you mean kafka.bootstrap_servers?`` when a key of the same section is near, else nothing."""
    for depth, part in enumerate(path):
        section = _annotation(path[:depth])
        if _is_section(section) and part not in section.model_fields:
            near = difflib.get_close_matches(part, section.model_fields, n=1)
            meant = ".".join([*path[:depth], *near])
            return f"; did you mean {meant} ({environment_variable(meant)})?" if near else ""
    return ""
