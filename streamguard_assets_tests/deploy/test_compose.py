"""``docker-compose.yml``: valid by the Compose specification, and consistent with the code and the pins."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema.validators import validator_for

from streamguard_assets.settings import BUILT_IN_STREAMS, KafkaSettings, environment_variable, load_settings

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "streamguard_assets" / "deploy"
DAGSTER_SERVICES = ("code-server", "webserver", "daemon")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    return compose["services"]


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (DEPLOY / "Dockerfile").read_text()


def problems(document: dict[str, Any]) -> list[str]:
    schema = get_builtin_schema("vendor.compose-spec")
    errors = validator_for(schema)(schema).iter_errors(document)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


class TestSpecification:
    def test_the_file_is_valid(self, compose: dict[str, Any]) -> None:
        assert problems(compose) == []

    @pytest.mark.parametrize(
        "broken",
        [
            {"services": {"kafka": {"imagee": "apache/kafka"}}},
            {"services": {"kafka": {"ports": 9092}}},
            {"services": {"kafka": {"depends_on": {"postgres": {"condition": "healthy"}}}}},
        ],
    )
    def test_the_schema_refuses_what_compose_would_refuse(self, broken: dict[str, Any]) -> None:
        assert problems(broken)


class TestConsistency:
    def test_every_service_waited_for_exists_and_can_become_what_is_waited_for(self, services: dict[str, Any]) -> None:
        for service in services.values():
            for name, wait in service.get("depends_on", {}).items():
                assert wait["condition"] != "service_healthy" or "healthcheck" in services[name]

    def test_every_lasting_service_says_whether_it_is_well(self, services: dict[str, Any]) -> None:
        assert [name for name, service in services.items() if "healthcheck" not in service] == ["topics"]

    def test_every_named_volume_is_declared(self, compose: dict[str, Any], services: dict[str, Any]) -> None:
        mounted = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}

        assert mounted == set(compose["volumes"])

    def test_every_image_has_a_version(self, services: dict[str, Any]) -> None:
        assert all(re.search(r":[\w.-]+$", s["image"]) and ":latest" not in s["image"] for s in services.values())

    def test_no_secret_is_in_the_files(self, services: dict[str, Any]) -> None:
        for service in services.values():
            for name, value in service.get("environment", {}).items():
                if re.search("PASSWORD|SECRET|TOKEN", name):
                    assert re.fullmatch(r"\$\{\w+:\?.+\}", value), f"{name} is written down or has a default"
        assert "password: {env: POSTGRES_PASSWORD}" in (DEPLOY / "compose" / "dagster.yaml").read_text()

    def test_published_ports_are_open_to_this_machine_only(self, services: dict[str, Any]) -> None:
        published = [port for service in services.values() for port in service.get("ports", [])]

        assert published
        assert all(port.startswith("127.0.0.1:") for port in published)

    def test_the_three_dagster_services_share_image_environment_and_files(self, services: dict[str, Any]) -> None:
        for name in DAGSTER_SERVICES[1:]:
            for shared in ("image", "build", "environment", "volumes"):
                assert services[name][shared] == services[DAGSTER_SERVICES[0]][shared]

    def test_the_built_in_topics_are_created_as_the_settings_say(self, services: dict[str, Any]) -> None:
        script = services["topics"]["command"][-1]
        kafka = KafkaSettings()  # pyright: ignore[reportCallIssue]
        retention_ms = {topic: int(ms) for topic, ms in re.findall(r"^create (\S+) (\d+)$", script, re.MULTILINE)}

        assert {stream["topic"] for stream in BUILT_IN_STREAMS.values()} <= set(retention_ms)
        assert all(
            retention_ms[stream["topic"]] == kafka.topic_retention_hours * 3_600_000
            for stream in BUILT_IN_STREAMS.values()
        )
        assert f"--partitions {kafka.topic_partitions} " in script
        assert services["topics"]["image"] == services["kafka"]["image"]


class TestCode:
    def test_the_settings_in_the_environment_are_settings(
        self, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = {k: v for k, v in services["code-server"]["environment"].items() if k.startswith("STREAMGUARD_")}
        for name, value in given.items():
            monkeypatch.setenv(name, value)

        settings = load_settings()

        assert environment_variable("kafka.bootstrap_servers") in given
        assert settings.kafka.bootstrap_servers == "kafka:9092"
        assert settings.state == Path("/var/lib/streamguard")

    def test_the_brokers_address_is_one_that_it_advertises(self, services: dict[str, Any]) -> None:
        advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]

        assert "kafka:9092" in advertised
        assert "localhost:29092" in advertised
        assert services["kafka"]["ports"] == ["127.0.0.1:29092:29092"]

    def test_the_code_server_serves_a_module_that_exists(self, services: dict[str, Any]) -> None:
        command = services["code-server"]["command"]

        assert command[:3] == ["dagster", "code-server", "start"]
        assert importlib.util.find_spec(command[command.index("-m") + 1]) is not None

    def test_the_workspace_points_to_the_code_server(self, services: dict[str, Any]) -> None:
        (location,) = yaml.safe_load((DEPLOY / "compose" / "workspace.yaml").read_text())["load_from"]
        server, command = location["grpc_server"], services["code-server"]["command"]

        assert server["host"] in services
        assert str(server["port"]) == command[command.index("-p") + 1] == services["code-server"]["expose"][0]

    def test_both_workspaces_name_the_location_alike(self) -> None:
        (remote,) = yaml.safe_load((DEPLOY / "compose" / "workspace.yaml").read_text())["load_from"]
        (local,) = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text())["load_from"]

        assert remote["grpc_server"]["location_name"] == local["python_module"]["location_name"]
        assert importlib.util.find_spec(local["python_module"]["module_name"]) is not None


class TestImage:
    def test_it_is_built_from_files_that_exist(self, services: dict[str, Any], dockerfile: str) -> None:
        build = services["code-server"]["build"]
        assert (REPOSITORY / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "Dockerfile"

        for line in re.findall(r"^COPY (?:--\S+ )*(.+)$", dockerfile, re.MULTILINE):
            for source in line.split()[:-1]:
                assert (REPOSITORY / source).exists(), f"COPY {source}"

    def test_its_python_is_the_one_that_the_project_requires(self, dockerfile: str) -> None:
        (minor,) = re.findall(r"^FROM python:(3\.\d+)", dockerfile, re.MULTILINE)
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]

        assert f">={minor}" in project["requires-python"]
        assert (REPOSITORY / ".python-version").read_text().startswith(minor)

    def test_it_is_installed_with_the_uv_that_the_checks_use(self, dockerfile: str) -> None:
        (image,) = re.findall(r"uv==([\d.]+)", dockerfile)
        (checks,) = re.findall(r"^UV_VERSION=([\d.]+)", (REPOSITORY / ".ci" / "run").read_text(), re.MULTILINE)

        assert image == checks

    def test_it_does_not_run_as_root_and_brings_its_configuration(
        self, services: dict[str, Any], dockerfile: str
    ) -> None:
        environment = services["code-server"]["environment"]

        assert re.search(r"^USER (?!root)", dockerfile, re.MULTILINE)
        for name in ("dagster.yaml", "workspace.yaml"):
            assert f"streamguard_assets/deploy/compose/{name}" in dockerfile
        assert f"DAGSTER_HOME={environment['DAGSTER_HOME']}" in dockerfile
        assert f"{environment['DAGSTER_HOME']}/workspace.yaml" in services["webserver"]["command"]

    def test_each_storage_library_that_its_configuration_needs_is_a_dependency(self) -> None:
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]

        assert "postgres" in yaml.safe_load((DEPLOY / "compose" / "dagster.yaml").read_text())["storage"]
        assert any(pin.startswith("dagster-postgres==") for pin in project["dependencies"])
