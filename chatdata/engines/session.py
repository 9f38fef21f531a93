"""A Spark session: the caller's, the one that is active, or a new one.

A new one is reached by `SPARK_REMOTE` (Spark Connect), started for `SPARK_MASTER` (a cluster), or
local. What it is set to is what makes its answers those of the other engines.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from chatdata.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

JAVAS = (17, 21)
_LOOPBACK = "127.0.0.1"
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_EQUALITY = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
_QUIET = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
_ALONE = {"spark.driver.host": _LOOPBACK, "spark.driver.bindAddress": _LOOPBACK}


def session(spark: SparkSession | None = None) -> SparkSession:
    """Give the caller's session, else the active one, else a new one.

    A session that is there already is used as it is set: frames of ours hold times without a zone
    and are never read by the session's.

    Raises:
        EngineError: pyspark or a Java that it runs on is missing, or no session can be made.
    """
    if spark is not None:
        return spark
    check_pyspark()
    from pyspark.sql import SparkSession

    active = _active()
    if active is not None:
        return active
    if "SPARK_REMOTE" in os.environ:
        return _started(SparkSession.builder.remote(os.environ["SPARK_REMOTE"]), "SPARK_REMOTE")
    check_java()
    master = os.environ.get("SPARK_MASTER", "local[*]")
    builder = SparkSession.builder.master(master).appName("chatdata")
    with _own_python(master):
        return _started(_set(builder, master), master)


def check_pyspark() -> None:
    """Make sure that pyspark is installed.

    Raises:
        EngineError: it is not.
    """
    if find_spec("pyspark") is None:
        raise EngineError("Spark needs pyspark; install 'chatdata[spark]'")


def _active() -> SparkSession | None:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        return SparkSession.active()
    except PySparkException:
        return None


def check_java() -> None:
    """Make sure of a Java that Spark runs on.

    Raises:
        EngineError: there is none, or one of another version.
    """
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home, "bin", "java")) if home else shutil.which("java")
    works = " or ".join(map(str, JAVAS))
    if found is None or not Path(found).exists():
        place = f" in JAVA_HOME={home}" if home else ""
        raise EngineError(f"Spark needs Java {works}; found none{place}: install one of them")
    version = _java_version(found)
    if version not in JAVAS:
        raise EngineError(
            f"Spark needs Java {works}; found {version or 'an unknown version'} at {found}: "
            "install one of them and set JAVA_HOME"
        )


def _java_version(java: str) -> int | None:
    answer = subprocess.run(  # noqa: S603 - the user's own Java
        [java, "-version"], capture_output=True, text=True, check=False
    )
    found = _VERSION.search(answer.stderr + answer.stdout)
    return int(found[1]) if found else None


def _set(builder: SparkSession.Builder, master: str) -> SparkSession.Builder:
    settings = {**_EQUALITY, **_QUIET, **(_ALONE if _is_here(master) else {})}
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder


def _started(builder: SparkSession.Builder, where: str) -> SparkSession:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        return builder.getOrCreate()
    except PySparkException as error:
        # Its message may quote the address, and an address may hold a token.
        reason = error.getCondition() or type(error).__name__
    except (Py4JError, OSError) as error:
        reason = type(error).__name__
    raise EngineError(f"no Spark session could be made ({reason})", source=where)


@contextmanager
def _own_python(master: str) -> Iterator[None]:
    """Let workers on this machine run this Python; a cluster runs the one it is set to."""
    if "PYSPARK_PYTHON" in os.environ or not _is_here(master):
        yield
        return
    os.environ["PYSPARK_PYTHON"] = sys.executable
    try:
        yield
    finally:
        del os.environ["PYSPARK_PYTHON"]


def _is_here(master: str) -> bool:
    return master.startswith(("local", f"spark://{_LOOPBACK}", "spark://localhost"))
