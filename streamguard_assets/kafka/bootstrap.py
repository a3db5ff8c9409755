"""Which Kafka is meant: the cluster of the settings, else the local broker that runs on the state folder."""

from __future__ import annotations

from streamguard_assets.kafka.broker.errors import BrokerError
from streamguard_assets.kafka.broker.info import running_broker
from streamguard_assets.settings import Settings, environment_variable


def bootstrap_servers(settings: Settings) -> str:
    """The ``host:port`` list to connect to; ``BrokerError`` when none is set and no local broker runs."""
    if settings.kafka.bootstrap_servers is not None:
        return settings.kafka.bootstrap_servers
    broker = running_broker(settings.state)
    if broker is None:
        raise BrokerError(
            f"no broker is running on {settings.state}: run `streamguard kafka start`, or set "
            f"kafka.bootstrap_servers ({environment_variable('kafka.bootstrap_servers')}) to your cluster"
        )
    return broker.bootstrap_servers
