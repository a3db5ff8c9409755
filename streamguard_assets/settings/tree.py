"""The whole tree of settings, put together from its sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from streamguard_assets.settings.origins import ENV_PREFIX, config_file
from streamguard_assets.settings.section import Name, SettingsError
from streamguard_assets.settings.sections import (
    BatchSettings,
    BrokerSettings,
    CheckSettings,
    DagsterSettings,
    DetectionSettings,
    IngestSettings,
    JvmSettings,
    KafkaSettings,
    LakeCareSettings,
    LakeSettings,
    SparkSettings,
    StreamingSettings,
)
from streamguard_assets.settings.streams import BUILT_IN_STREAMS, StreamSettings


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    state_dir: Path = Field(Path(".streamguard"), description="jars, broker data, lake, Dagster storage, models")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)  # pyright: ignore[reportArgumentType]
    broker: BrokerSettings = Field(default_factory=BrokerSettings)  # pyright: ignore[reportArgumentType]
    jvm: JvmSettings = Field(default_factory=JvmSettings)  # pyright: ignore[reportArgumentType]
    lake: LakeSettings = Field(default_factory=LakeSettings)  # pyright: ignore[reportArgumentType]
    lake_care: LakeCareSettings = Field(default_factory=LakeCareSettings)  # pyright: ignore[reportArgumentType]
    ingest: IngestSettings = Field(default_factory=IngestSettings)  # pyright: ignore[reportArgumentType]
    detection: DetectionSettings = Field(default_factory=DetectionSettings)  # pyright: ignore[reportArgumentType]
    checks: CheckSettings = Field(default_factory=CheckSettings)  # pyright: ignore[reportArgumentType]
    batches: BatchSettings = Field(default_factory=BatchSettings)  # pyright: ignore[reportArgumentType]
    streaming: StreamingSettings = Field(default_factory=StreamingSettings)  # pyright: ignore[reportArgumentType]
    spark: SparkSettings = Field(default_factory=SparkSettings)  # pyright: ignore[reportArgumentType]
    dagster: DagsterSettings = Field(default_factory=DagsterSettings)  # pyright: ignore[reportArgumentType]
    streams: dict[Name, StreamSettings] = Field(
        default_factory=lambda: dict(BUILT_IN_STREAMS),  # pyright: ignore[reportAssignmentType, reportArgumentType]
        description="streams by name",
    )

    @model_validator(mode="before")
    @classmethod
    def _complete_built_in_streams(cls, values: Any) -> Any:
        """Setting one key of a built-in stream keeps its other defaults; naming a stream adds it to the built-in."""
        given = values.get("streams") if isinstance(values, dict) else None
        if not isinstance(given, dict):
            return values
        names = dict.fromkeys([*BUILT_IN_STREAMS, *given])
        completed = {
            name: {**BUILT_IN_STREAMS.get(name, {}), **given.get(name, {})}
            if isinstance(given.get(name, {}), dict)
            else given[name]
            for name in names
        }
        return {**values, "streams": completed}

    @model_validator(mode="after")
    def _topics_differ(self) -> Settings:
        topics = [topic for s in self.streams.values() for topic in (s.topic, *s.batch_topics)]
        for topic in set(topics):
            if topics.count(topic) > 1:
                names = sorted(n for n, s in self.streams.items() if topic in (s.topic, *s.batch_topics))
                raise ValueError(f"streams {', '.join(names)} share the topic {topic!r}; each needs its own")
        for name, stream in self.streams.items():
            # Rejected records would come back as new records, be rejected again, and so on without end.
            if stream.dead_letter_topic in topics:
                raise ValueError(
                    f"streams.{name}.dead_letter_topic is {stream.dead_letter_topic!r}, the topic of a stream"
                )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if (file := config_file()) is not None:
            sources.append(TomlConfigSettingsSource(settings_cls, file))
        return tuple(sources)

    @property
    def state(self) -> Path:
        """The state folder as an absolute path, so that child processes in other folders agree on it."""
        return self.state_dir.expanduser().absolute()

    @property
    def lake_uri(self) -> str:
        return self.lake.uri or str(self.state / "lake")

    @property
    def jar_cache(self) -> Path:
        return (self.jvm.jar_cache_dir or self.state / "jars").expanduser().absolute()

    def stream(self, name: str) -> StreamSettings:
        """Settings of one stream; ``SettingsError`` lists the known ones."""
        try:
            return self.streams[name]
        except KeyError:
            known = ", ".join(sorted(self.streams))
            raise SettingsError(f"there is no stream {name!r}; configured streams: {known}") from None
