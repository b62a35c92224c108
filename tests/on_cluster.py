"""A program: some metrics on a local Spark cluster of two executors; prints what it found as JSON.

    python tests/on_cluster.py FOLDER

FOLDER holds orders.parquet, tickets.parquet and ticket_events.parquet. A process of its own, since a process has one
Spark only.
"""

from __future__ import annotations

import json
import os
import sys
import warnings


def main(folder: str) -> None:
    """Start the cluster, ask, stop it."""
    import pyspark

    os.environ.setdefault("SPARK_HOME", os.path.dirname(pyspark.__file__))
    os.environ["SPARK_WORKER_DIR"] = os.path.join(folder, "workers")
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    warnings.simplefilter("ignore")  # PySpark's own, about pandas 3
    from pyspark.sql import SparkSession

    import crmkit

    build = SparkSession.builder.master("local-cluster[2,1,1024]")
    for name, value in {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.executor.memory": "1g",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
    }.items():
        build = build.config(name, value)
    session = build.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        orders, tickets, events = (
            session.read.parquet(os.path.join(folder, f"{name}.parquet")).repartition(2)
            for name in ("orders", "tickets", "ticket_events")
        )
        rate = crmkit.repeat_rate(orders, start="2025-01-01", end="2026-01-01")
        reply = crmkit.first_reply_time(tickets, events)
        scored = crmkit.rfm(orders, as_of="2026-01-01")
        found = {
            "executors": session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1,  # one is the driver
            "repeat_rate": [rate.numerator, rate.denominator],
            "first_reply_time": [reply.value, reply.n],
            "rfm": scored.count(),
        }
    finally:
        session.stop()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
