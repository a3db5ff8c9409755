"""Commands that are imported when they are called: the list of all of them must not cost the import of any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from streamguard_assets.commands.exit_codes import exit_on_error

MARKUP = "markdown"
"""How every help text is written. Examples stand in a fenced block, so that their lines stay lines."""


@dataclass(frozen=True)
class LazyCommand:
    """Where a command is found (``module:attribute``: a function, or a ``Typer`` of subcommands), in one line."""

    target: str
    summary: str
    panel: str

    def load(self) -> Any:
        """The function or the ``Typer``. Imports its module."""
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)


class LazyGroup(TyperGroup):
    """A group whose ``commands_by_name`` are listed from their summaries and imported when one is called.

    The one place where an expected error of any command becomes a text and an exit status.
    """

    commands_by_name: ClassVar[Mapping[str, LazyCommand]]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        listed = {
            name: TyperCommand(name, help=command.summary, rich_help_panel=command.panel, rich_markup_mode=MARKUP)
            for name, command in self.commands_by_name.items()
        }
        self.commands = {**listed, **self.commands}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As in any group, with the command that was called in the place of its summary."""
        name, listed, rest = super().resolve_command(ctx, args)
        called = listed if name is None or name not in self.commands_by_name else self.loaded(name)
        return name, called, rest

    def loaded(self, name: str) -> Any:
        """The command ``name`` itself."""
        target = self.commands_by_name[name].load()
        owner = typer.Typer(rich_markup_mode=MARKUP)
        owner.callback()(_nothing)  # else an owner of one command would become that command
        if isinstance(target, typer.Typer):
            owner.add_typer(target, name=name)
        else:
            owner.command(name)(target)
        group = typer.main.get_command(owner)
        assert isinstance(group, TyperGroup)
        return group.commands[name]

    def invoke(self, ctx: Any) -> Any:
        """Run the command; see ``exit_on_error`` for how it ends when it fails."""
        with exit_on_error():
            return super().invoke(ctx)


def _nothing() -> None:
    pass
