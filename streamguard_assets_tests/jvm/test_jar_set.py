"""A lock list says exactly which files are run; a line that says nothing is an error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streamguard_assets.jvm.jar_set import JarSet, kafka_broker_jars, kafka_tools_jars, parse_lock, spark_jars

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(("make", "size"), [(kafka_broker_jars, 46), (kafka_tools_jars, 47), (spark_jars, 6)])
def test_the_locks_hold_each_file_once(make: Callable[[], JarSet], size: int) -> None:
    jars = make().jars
    assert len(jars) == size
    assert len({jar.file_name for jar in jars}) == size


def test_the_versions_are_those_that_were_proven_together() -> None:
    broker = {jar.name: jar.revision for jar in kafka_broker_jars().jars}
    spark = {jar.name: jar.revision for jar in spark_jars().jars}
    assert broker["kafka_2.13"] == broker["kafka-clients"] == "4.3.1"
    assert broker["log4j-slf4j-impl"] == broker["log4j-core"], "without it the broker has no log"
    assert (spark["spark-sql-kafka-0-10_2.13"], spark["spark-token-provider-kafka-0-10_2.13"]) == ("4.2.0", "4.0.0")
    assert spark["delta-spark_4.2_2.13"] == spark["delta-storage"] == "4.4.0"


def test_a_line_gives_a_jar() -> None:
    (jar,) = parse_lock("set", f"{DIGEST}  org.example:thing_2.13:1.0-2\n").jars
    assert (jar.organisation, jar.name, jar.revision, jar.sha256) == ("org.example", "thing_2.13", "1.0-2", DIGEST)
    assert jar.file_name == "thing_2.13-1.0-2.jar"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# comment",
        f"{DIGEST} a:b:c",
        f"{DIGEST[1:]}  a:b:c",
        f"{DIGEST}  a:b",
        f"{DIGEST}  a:../b:c",
        f"{DIGEST.upper()}  a:b:c",
    ],
)
def test_a_line_that_is_no_lock_is_named_with_its_number(line: str) -> None:
    with pytest.raises(ValueError, match=r"the set, line 2: expected"):
        parse_lock("the set", f"{DIGEST}  a:b:c\n{line}\n")


def test_two_sets_together_hold_what_both_have_once() -> None:
    one = parse_lock("one", f"{DIGEST}  a:b:1\n{DIGEST}  a:c:1")
    two = parse_lock("two", f"{DIGEST}  a:c:1\n{DIGEST}  a:d:1")
    both = one + two
    assert both == JarSet("one+two", (*one.jars, two.jars[1]))
