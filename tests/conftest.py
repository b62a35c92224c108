"""Every engine a metric must run on, as one fixture: write a test once, it runs on all of them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import settings

from crmkit.simulator.generate import generate
from crmkit.texts import use_language
from tests.small_world import SmallWorld, content

# A busy machine is no failure; and CI tries the same cases each time, while people at work try new ones.
settings.register_profile("crmkit", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("crmkit")

# Nothing that a test tries is a learner's; processes that tests start inherit it.
os.environ["CRMKIT_PROGRESS"] = "off"

ENGINES = ("pandas", "polars", "polars-lazy", "pyarrow", "duckdb", "pyspark")


# What stays in one process: a file, and all that runs on Spark, whose start and first queries take half a minute of two
# cores. The slowest first: none of these may be the last to begin.
SPARK = "pyspark"
SLOW = (
    SPARK, "test_other_shops", "test_accessibility", "test_fuzz", "test_bench", "test_engines", "test_bad_calls",
    "test_browser", "test_generate", "test_notebooks", "test_widgets", "test_cluster", "test_customers",
    "test_customer_journal", "test_matching", "test_times", "test_reporting", "test_corpus", "test_texts",
)  # fmt: skip


def group_of(nodeid: str) -> str:
    """What a test shares a process with."""
    file, _, test = nodeid.partition("::")
    return SPARK if SPARK in test else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`--dist loadfile`, but for the tests on Spark."""
    from xdist.scheduler import LoadFileScheduling

    class Groups(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow groups first; see SLOW."""
    place = {name: number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(Path(group_of(item.nodeid)).stem, len(SLOW)))


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Tests read messages in English unless they choose otherwise."""
    use_language("en")
    yield
    use_language(None)


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """One local Spark for the whole run, on this machine's loopback only."""
    from tools.machine import need_java

    os.environ["JAVA_HOME"] = str(need_java())
    from pyspark.sql import SparkSession

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PySpark's own, about pandas 3
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.default.parallelism", "1")
            # tables of a few rows: to compile a query takes longer than to run it (test_cluster compiles as usual)
            .config("spark.sql.codegen.wholeStage", "false")
            .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
            # nearly all time goes into analysing plans: neither what the optimizer infers nor what it adapts pays
            .config("spark.sql.constraintPropagation.enabled", "false")
            .config("spark.sql.adaptive.enabled", "false")
            .config("spark.driver.extraJavaOptions", "-XX:+UseSerialGC")
            # what a column was written for is asked from the JVM at each step: a tenth of the time, for errors alone
            .config("spark.python.sql.dataFrameDebugging.enabled", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.warehouse.dir", ".build/spark-warehouse")
            .getOrCreate()
        )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=pytest.mark.spark if name == "pyspark" else ()) for name in ENGINES],
)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Turns a pandas table into the engine's own kind, and back."""
    session = request.getfixturevalue("spark") if request.param == "pyspark" else None
    return Engine(request.param, session)


@pytest.fixture(scope="session", params=[name for name in ENGINES if name != "pyspark"])
def quick_engine(request: pytest.FixtureRequest) -> Engine:
    """The engines without Spark: for what is tried with every metric, each of which meets Spark in its own tests."""
    return Engine(request.param)


class Engine:
    """One engine: `engine(frame)` makes its table of a pandas frame, `engine.back(table)` the way back."""

    def __init__(self, name: str, session: Any = None) -> None:
        self.name = name
        self.session = session
        self.make: Callable[[pa.Table], Any] = {
            "pandas": lambda table: table.to_pandas(),
            "polars": _polars,
            "polars-lazy": lambda table: _polars(table).lazy(),
            "pyarrow": lambda table: table,
            "duckdb": self._duckdb,
            "pyspark": self._spark,
        }[name]

    def __call__(self, frame: pd.DataFrame) -> Any:
        return self.make(pa.Table.from_pandas(frame, preserve_index=False))

    def back(self, table: Any) -> pd.DataFrame:
        """A result as pandas; fails if it is not the engine's own kind of table."""
        assert type(table) is type(self(pd.DataFrame({"any": [1]})))
        return self.arrow(table).to_pandas()

    def arrow(self, table: Any) -> pa.Table:
        """A result as PyArrow, whatever its kind."""
        import narwhals as nw

        frame = nw.from_native(table)
        return (frame.collect() if isinstance(frame, nw.LazyFrame) else frame).to_arrow()

    def _duckdb(self, table: pa.Table) -> Any:
        """All tables on one connection, as those of one database are."""
        import duckdb

        self.session = self.session or duckdb.connect()
        return self.session.from_arrow(table)

    def _spark(self, table: pa.Table) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.session.createDataFrame(table)


def _polars(table: pa.Table) -> Any:
    import polars as pl

    return pl.from_arrow(table)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the blocks that are computed in this process."""
    numbers: list[int] = []
    block = SmallWorld.block

    def counted(self: SmallWorld, number: int) -> Any:
        numbers.append(number)
        return block(self, number)

    monkeypatch.setattr(SmallWorld, "block", counted)
    return numbers


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The fingerprints of the small world, written without any trouble."""
    return content(generate(SmallWorld(), tmp_path_factory.mktemp("undisturbed") / "out", workers=1))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium."""
    import lab as driver  # Playwright, only where a browser is asked for

    with driver.running_browser() as chromium:
        yield chromium


@pytest.fixture(scope="module", params=["ja", "en"])
def lab(request: pytest.FixtureRequest) -> Iterator[Any]:
    """JupyterLab with a copy of the course, in each language."""
    import lab as driver

    with driver.running_lab(request.param) as running:
        yield running
