"""Every setting of StreamGuard, typed, in one tree.

A value comes from the environment (``STREAMGUARD_KAFKA__BOOTSTRAP_SERVERS=host:9092``; two underscores step
into a section), else from a TOML file (``STREAMGUARD_CONFIG``, by default ``streamguard.toml`` in the working
folder when there is one), else from the default written here. A wrong value stops the start and names its key.
"""

from streamguard_assets.settings.loading import load_settings
from streamguard_assets.settings.origins import (
    CONFIG_VARIABLE,
    DEFAULT_CONFIG_FILE,
    ENV_PREFIX,
    Origin,
    Origins,
    config_file,
    environment_variable,
)
from streamguard_assets.settings.section import Section, SettingsError
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
from streamguard_assets.settings.tree import Settings

__all__ = [
    "BUILT_IN_STREAMS",
    "CONFIG_VARIABLE",
    "DEFAULT_CONFIG_FILE",
    "ENV_PREFIX",
    "BatchSettings",
    "BrokerSettings",
    "CheckSettings",
    "DagsterSettings",
    "DetectionSettings",
    "IngestSettings",
    "JvmSettings",
    "KafkaSettings",
    "LakeCareSettings",
    "LakeSettings",
    "Origin",
    "Origins",
    "Section",
    "Settings",
    "SettingsError",
    "SparkSettings",
    "StreamSettings",
    "StreamingSettings",
    "config_file",
    "environment_variable",
    "load_settings",
]
