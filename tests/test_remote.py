"""Logs and lakes in a bucket: the same as on disk, and no keys in anything that is said."""

from __future__ import annotations

import gzip
import json
import logging
import zipfile

import boto3
import polars as pl
import pytest
from chat_tables import build, messages
from moto.server import ThreadedMotoServer
from polars.testing import assert_frame_equal

import chatdata as cd
from chatdata.formats.lake import JOURNAL, OWN
from chatdata.ingest import ingest

SECRET = "hunter2secret"  # noqa: S105 - of a server that checks none
ROW = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}


@pytest.fixture(scope="module")
def server():
    """
    A server that speaks S3, on this machine.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    """
    An empty bucket, and an environment that knows where it is; takes folders.
    """
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": server,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=server)
    client.create_bucket(Bucket="chats")

    def put(folder, below):
        for path in folder.rglob("*"):
            if path.is_file():
                key = f"{below}/{path.relative_to(folder).as_posix()}"
                client.put_object(Bucket="chats", Key=key, Body=path.read_bytes())

    yield put
    for found in client.list_objects_v2(Bucket="chats").get("Contents", ()):
        client.delete_object(Bucket="chats", Key=found["Key"])
    client.delete_bucket(Bucket="chats")
    client.close()


@pytest.fixture
def logs(tmp_path):
    """
    Logs packed in every way.
    """
    folder = tmp_path / "logs"
    (folder / "deep").mkdir(parents=True)
    lines = json.dumps(ROW).encode() + b"\n"
    (folder / "a b.jsonl").write_bytes(lines * 3 + b"{broken\n")
    (folder / "deep" / "b.jsonl.gz").write_bytes(gzip.compress(lines * 2))
    with zipfile.ZipFile(folder / "deep" / "c.zip", "w") as archive:
        archive.writestr("d.jsonl", lines)
    rows = [(1, 7, "user", "Hi"), (2, 7, "assistant", "Hello")]
    columns = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"
    build(folder / "deep" / "app.db", messages(*rows, columns=columns))
    return folder


def frames(chats):
    """
    The frames, wherever they live, in one order; what says where they lay is left out.
    """
    return {
        name: frame.collect().drop("path", strict=False).sort(pl.all(), nulls_last=True)
        for name, frame in chats.check().to("polars").frames.items()
    }


def assert_same(expected, found):
    for name, frame in frames(expected).items():
        assert_frame_equal(frame, frames(found)[name])


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_logs(bucket, logs, engine):
    """
    Logs in a bucket give what they give on disk, packed as they may be.
    """
    bucket(logs, "team/logs")

    assert_same(cd.scan(logs), cd.scan("s3://chats/team/logs", engine=engine))


@pytest.mark.parametrize(
    ("pattern", "n"),
    [
        pytest.param("logs/a b.jsonl", 6, id="one object"),
        pytest.param("logs/*.jsonl", 6, id="of one folder"),
        pytest.param("logs/**/*.jsonl*", 10, id="of all folders"),
        pytest.param("logs/deep/[!a]*", 6, id="of some letters"),
    ],
)
def test_patterns(bucket, logs, pattern, n):
    """
    An object and patterns mean in a bucket what they mean on disk.
    """
    bucket(logs, "logs")
    found = cd.scan(f"s3://chats/{pattern}").messages.collect().height

    assert n == found == cd.scan(logs.parent / pattern).messages.collect().height


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_lake(bucket, logs, tmp_path, engine):
    """
    A lake that was copied into a bucket is read there, and only the months that are asked for.
    """
    ingest([logs], tmp_path / "lake")
    cd.write(cd.sample(conversations=20, seed=2), tmp_path / "lake")
    bucket(tmp_path / "lake", "team/lake")
    here, there = (
        cd.scan(where, engine=engine) for where in (tmp_path / "lake", "s3://chats/team/lake/")
    )

    assert_same(here, there)
    assert cd.analysis.tool_usage(here).equals(cd.analysis.tool_usage(there))
    assert [("lake", "s3://chats/team/lake", "lake")] == [
        (finding.origin, finding.subject, finding.became) for finding in there.findings
    ]
    since = here.to("polars").messages.select(pl.col("created_at").max()).collect().item()
    window = [cd.scan(where, since=since) for where in (tmp_path / "lake", "s3://chats/team/lake")]
    assert_same(*window)
    assert "in the window" in window[1].findings[0].reason


def test_a_lake_beside_the_logs_is_no_second_copy(bucket, logs, tmp_path):
    """
    Of a lake below the folder that is scanned nothing is read.
    """
    ingest([logs], tmp_path / "lake")
    bucket(logs, "all")
    bucket(tmp_path / "lake", "all/deep/lake")

    assert_same(cd.scan(logs), cd.scan("s3://chats/all"))


def test_a_lake_that_was_copied_while_it_was_written(bucket, logs, tmp_path):
    """
    A copy that may mix two states is refused.
    """
    ingest([logs], tmp_path / "lake")
    (tmp_path / "lake" / OWN / JOURNAL).write_text('{"add": {}, "remove": []}')
    bucket(tmp_path / "lake", "lake")

    with pytest.raises(cd.SourceError, match="copied while it was written"):
        cd.scan("s3://chats/lake")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param("s3://chats/none", "no such object", id="nothing there"),
        pytest.param("s3://elsewhere/logs", "no such object", id="no such bucket"),
        pytest.param(f"s3://key:{SECRET}@chats/none", "no such object", id="keys in the URL"),
        pytest.param(f"s3://chats/none?scheme={SECRET}", "cannot be read", id="a bad option"),
        pytest.param("memory://logs", "no reader for memory://", id="another scheme"),
        pytest.param(f"gs://key:{SECRET}@chats/x", "no reader for gs://", id="another store"),
    ],
)
def test_refusals(bucket, program, source, says):
    """
    What cannot be read is one line, in the terminal too, and names no keys.
    """
    with pytest.raises(cd.SourceError, match=says) as caught:
        cd.scan(source)
    code, out, err = program("scan", source)

    assert SECRET not in f"{caught.value}{caught.value.__cause__}{out}{err}"
    assert (2, 1) == (code, len(err.splitlines()))


def test_no_keys_are_told(bucket, logs):
    """
    Keys and options of a URL are in no finding, reject or accounting.
    """
    bucket(logs, "logs")
    chats = cd.scan(f"s3://testing:{SECRET}@chats/logs?region=us-east-1")
    told = [chats.rejects.collect(), chats.accounting.collect(), chats.explain()]

    assert 1 == chats.rejects.collect().height
    for frame in told:
        assert SECRET not in frame.write_json()
        assert "region" not in frame.write_json()


def test_a_network_that_fails_is_no_damage(bucket, logs, monkeypatch):
    """
    An object that cannot be read to its end makes no reject.
    """
    bucket(logs, "logs")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    with pytest.raises(cd.SourceError, match="cannot be read; check bucket"):
        cd.scan("s3://chats/logs/a b.jsonl?request_timeout=1&connect_timeout=1")


def test_nothing_is_written_there(bucket, logs, tmp_path, monkeypatch, program):
    """
    A lake in a bucket cannot be changed as a whole: writing, importing and compacting refuse.
    """
    monkeypatch.chdir(tmp_path)
    with pytest.raises(cd.SourceError, match="a folder of this machine"):
        cd.write(cd.sample(conversations=2), "s3://chats/lake")
    code, _, err = program("import", logs, "--into", "s3://chats/lake")

    assert (2, True) == (code, "a folder of this machine" in err)
    assert ["logs"] == [path.name for path in tmp_path.iterdir()]


def test_imports_read_this_machine(bucket, logs, tmp_path):
    """
    An import archives what it reads, and does not take it out of a bucket.
    """
    bucket(logs, "logs")

    with pytest.raises(cd.SourceError, match="copy the logs here first"):
        ingest(["s3://chats/logs"], tmp_path / "lake")


@pytest.mark.spark
def test_spark_is_given_the_url(spark, logs, tmp_path):
    """
    Spark reads a lake where its own file systems reach it, by the URL as it is.
    """
    cd.write(cd.sample(conversations=5, seed=2), tmp_path / "lake")
    url = (tmp_path / "lake").as_uri()

    assert_same(cd.scan(tmp_path / "lake"), cd.scan(url, engine="spark", spark=spark))
    with pytest.raises(cd.SourceError, match="Spark finds no lake there"):
        cd.scan(logs.as_uri(), engine="spark", spark=spark)
