"""Clients of a Kafka cluster: which options they get, how long they wait, and what their failures are called.

Only this module hands options to librdkafka, so that a secret has one way in and none out.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from streamguard_assets.kafka.errors import (
    KafkaFailure,
    KafkaMisconfigured,
    KafkaRefused,
    KafkaUnavailable,
    LeaderMoved,
)

if TYPE_CHECKING:  # a worker process is sent a connection, and need not know how settings are read
    from streamguard_assets.settings import KafkaSettings

T = TypeVar("T")

SHOWN_OPTIONS = frozenset(
    {"bootstrap.servers", "client.id", "security.protocol", "sasl.mechanism", "socket.timeout.ms"}
)
"""Options whose value may be shown. A list of what is harmless: one of what is secret would miss the next option."""

RESULT_GRACE_S = 2.0
"""librdkafka keeps its own deadline; this much later we stop waiting for it to say so."""

AWAY = frozenset(
    {
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError._DESTROY,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.SASL_AUTHENTICATION_FAILED,
    }
)
"""Error codes that mean "no answer from the cluster" and not "the answer is no"."""

MOVED = frozenset(
    {
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        # "no leaders found": a broker that has just come back does not know yet what it leads
        KafkaError._NOENT,
    }
)
"""Error codes of a partition that is changing its leader."""

logger = logging.getLogger("streamguard_assets.kafka.librdkafka")
logger.addHandler(logging.NullHandler())  # else librdkafka's every retry goes to the user's terminal


class LastError:
    """The newest event librdkafka reported about its connections: a bare time-out does not say "wrong password"."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.code: int | None = None

    def __call__(self, error: KafkaError) -> None:
        # "all brokers down" follows the event that says why; it must not hide it
        if self.text is None or error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.text, self.code = error.str(), error.code()


class KafkaConnection:
    """How to reach one cluster: plain options, immutable, picklable, with every secret hidden from ``repr``.

    ``options`` are librdkafka's, common to all clients. An admin client is opened when first needed and kept; it
    stays behind when the connection is pickled or the process forks.
    """

    __slots__ = ("_admin", "_admin_error", "_admin_pid", "_options", "request_timeout_ms")

    def __init__(self, options: Mapping[str, str | int], request_timeout_ms: int = 10_000) -> None:
        if not options.get("bootstrap.servers"):
            raise KafkaMisconfigured("bootstrap.servers is missing")
        self._options = dict(options)
        self.request_timeout_ms = request_timeout_ms
        self._admin: AdminClient | None = None
        self._admin_error = LastError()
        self._admin_pid: int | None = None

    @classmethod
    def from_settings(cls, settings: KafkaSettings, bootstrap_servers: str | None = None) -> KafkaConnection:
        """The connection that ``settings`` describe; ``bootstrap_servers`` stands in where they name none."""
        servers = settings.bootstrap_servers or bootstrap_servers
        if servers is None:
            raise KafkaMisconfigured("kafka.bootstrap_servers is not set, and no local broker was given")
        options: dict[str, str | int] = {
            "bootstrap.servers": servers,
            "client.id": "streamguard",
            "security.protocol": settings.security_protocol,
        }
        if settings.sasl_mechanism is not None:
            options["sasl.mechanism"] = settings.sasl_mechanism
        if settings.sasl_username is not None:
            options["sasl.username"] = settings.sasl_username
        if settings.sasl_password is not None:
            options["sasl.password"] = settings.sasl_password.get_secret_value()
        return cls({**options, **settings.client_options}, settings.request_timeout_ms)

    @property
    def bootstrap_servers(self) -> str:
        return str(self._options["bootstrap.servers"])

    @property
    def request_timeout_s(self) -> float:
        return self.request_timeout_ms / 1000

    @property
    def options(self) -> dict[str, str | int]:
        """A copy of the common options, secrets included: for clients of other libraries, never for a log."""
        return dict(self._options)

    def consumer(
        self, options: Mapping[str, Any], tuning: Mapping[str, Any], on_error: LastError | None = None
    ) -> Consumer:
        """A new consumer with exactly ``options``; ``tuning`` gives way to what the user set.

        It commits nothing and joins no group: ``group.id`` is only there because librdkafka insists.
        """
        tuning = {"group.id": "streamguard", **tuning}
        options = {"enable.auto.commit": False, **options}
        return self._open(Consumer, {**tuning, **self._with_timeouts(on_error), **options})

    def producer(
        self, options: Mapping[str, Any], tuning: Mapping[str, Any], on_error: LastError | None = None
    ) -> Producer:
        """A new producer with exactly ``options``; ``tuning`` gives way to what the user set."""
        return self._open(Producer, {**tuning, **self._with_timeouts(on_error), **options})

    def admin(self) -> AdminClient:
        """This process' admin client."""
        if self._admin is None or self._admin_pid != os.getpid():  # librdkafka's threads do not survive a fork
            self._admin_error = LastError()
            self._admin = self._open(AdminClient, self._with_timeouts(self._admin_error))
            self._admin_pid = os.getpid()
        return self._admin

    def answer(self, future: Future[T], doing: str) -> T:
        """The result of an admin call, or its failure as one of our errors; never waits past the request time-out."""
        try:
            return future.result(self.request_timeout_s + RESULT_GRACE_S)
        except KafkaException as error:
            if self._admin is not None:
                self._admin.poll(0)  # serves the error callback, which knows more than "timed out"
            raise self.failure(error.args[0], doing, self._admin_error) from error
        except FutureTimeout:
            raise self.unavailable(doing, "no answer", self._admin_error) from None

    def failure(self, error: KafkaError, doing: str, last_error: LastError | None = None) -> KafkaFailure:
        """Our error for librdkafka's: moved, away, or refused."""
        if error.code() in MOVED:
            return LeaderMoved(self.bootstrap_servers, doing, error.str())
        if error.code() in AWAY or error.retriable():
            return self.unavailable(doing, error.str(), last_error)
        return KafkaRefused(self.bootstrap_servers, doing, self._without_secrets(error.str()), error.code())

    def unavailable(self, doing: str, reason: str, last_error: LastError | None = None) -> KafkaUnavailable:
        """The error for a cluster that does not answer, with the newest connection event as its cause."""
        cause = f" ({last_error.text})" if last_error is not None and last_error.text else ""
        return KafkaUnavailable(self.bootstrap_servers, doing, self._without_secrets(reason + cause))

    def _with_timeouts(self, on_error: LastError | None) -> dict[str, Any]:
        # librdkafka waits 60 s for a socket by default: longer than a sensor may last
        socket_ms = max(self.request_timeout_ms, 2_000)
        options: dict[str, Any] = {
            "socket.timeout.ms": socket_ms,
            "socket.connection.setup.timeout.ms": socket_ms,
            "reconnect.backoff.max.ms": 1_000,
            **self._options,
        }
        return options if on_error is None else {**options, "error_cb": on_error}

    def _open(self, client: type[T], options: dict[str, Any]) -> T:
        try:
            return client(options, logger=logger)  # pyright: ignore[reportCallIssue]
        except KafkaException as error:
            raise KafkaMisconfigured(self._without_secrets(error.args[0].str())) from None

    def _without_secrets(self, text: str) -> str:
        for key, value in self._options.items():
            if key not in SHOWN_OPTIONS and len(str(value)) > 3:
                text = text.replace(str(value), "***")
        return text

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{key}={value if key in SHOWN_OPTIONS else '***'}" for key, value in sorted(self._options.items())
        )
        return f"KafkaConnection({shown}, request_timeout_ms={self.request_timeout_ms})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KafkaConnection):
            return NotImplemented
        return self._options == other._options and self.request_timeout_ms == other.request_timeout_ms

    def __hash__(self) -> int:
        return hash((self.bootstrap_servers, self.request_timeout_ms))

    def __reduce__(self) -> tuple[type[KafkaConnection], tuple[dict[str, str | int], int]]:
        return KafkaConnection, (self._options, self.request_timeout_ms)
