"""Storage options of the lake: dagster-deltalake's config classes turned into the plain options of delta-rs.

The names and types of the options are theirs, so a user of that package finds the fields he knows. Dagster is
imported only for a remote lake: a command on a local lake would otherwise pay its import for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import LakeSettings, Settings, SettingsError, environment_variable

if TYPE_CHECKING:
    from dagster import Config


def lake_location(settings: Settings) -> LakeLocation:
    """Where the lake of ``settings`` is, with the options its store needs.

    Raises:
        SettingsError: an option that the provider does not know, or one that is missing.
    """
    if settings.lake.provider == "local":
        _refuse_options_of_a_local_lake(settings.lake)
        return LakeLocation(settings.lake_uri, {})
    if settings.lake.uri is None:
        raise SettingsError(f"lake.uri is needed for the provider {settings.lake.provider!r}")
    return LakeLocation(settings.lake_uri, storage_options(settings.lake))


def storage_options(lake: LakeSettings) -> dict[str, str]:
    """The options of ``lake`` as delta-rs takes them; the values hold secrets and must not be shown."""
    from dagster_deltalake.config import AzureConfig, ClientConfig, GcsConfig, S3Config

    provider: dict[str, type[Config]] = {"s3": S3Config, "azure": AzureConfig, "gcs": GcsConfig}
    store, client = provider[lake.provider], ClientConfig
    given = {key: secret.get_secret_value() for key, secret in lake.storage.items()}
    known = set(store.model_fields) | set(client.model_fields) | CONDITIONAL_PUT
    if unknown := sorted(set(given) - known):
        raise SettingsError(
            f"lake.storage has {', '.join(unknown)}; {lake.provider} knows {', '.join(sorted(known - {'provider'}))}"
        )
    options: dict[str, str] = {key: given[key] for key in CONDITIONAL_PUT & set(given)}
    for config in (store, client):
        fields: dict[str, Any] = {key: value for key, value in given.items() if key in config.model_fields}
        try:
            filled = config(**fields)
        except ValidationError as error:
            problems = "; ".join(
                f"{environment_variable('lake.storage')}__{str(p['loc'][0]).upper()}: {p['msg']}"
                for p in error.errors(include_input=False, include_url=False)
            )
            raise SettingsError(f"lake.storage: {problems}") from None
        # Only what the user gave: the classes' own defaults would override what the environment says.
        plain = filled.model_dump(include=set(fields))
        options |= {key: str(value) for key, value in plain.items() if value is not None}
    return options


CONDITIONAL_PUT = {"conditional_put"}
"""Options of the store that dagster-deltalake has no field for; S3 commits are atomic only with conditional_put."""


def _refuse_options_of_a_local_lake(lake: LakeSettings) -> None:
    if lake.storage:
        raise SettingsError(
            f"lake.storage has {', '.join(sorted(lake.storage))}, but lake.provider is 'local'; "
            "set lake.provider to s3, azure or gcs"
        )
