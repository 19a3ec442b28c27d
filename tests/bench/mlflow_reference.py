"""An MLflow store in SQLite that is asked questions; run by peer_mlflow.py in the Python that has MLflow.

    mlflow_reference.py FOLDER RUNS

Makes the store with MLflow's own tables and fills them by SQL (MLflow itself takes some 35 ms a run), then answers one
question a line of stdin with one line of JSON: `seconds`, of the question alone (MLflow is imported and the store
opened by then), and `answer`. A run has 5 metrics, 4 parameters and 1 tag.
"""
import json
import os
import pathlib
import sqlite3
import sys
import time
import uuid

os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"})

import mlflow  # pylint: disable=wrong-import-position
from mlflow.entities import ViewType  # pylint: disable=wrong-import-position
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # pylint: disable=wrong-import-position

SIZES = ("small", "medium", "large", "xl")
PHASES = ("forward", "loss", "backward", "optimizer", "step")
EXPERIMENT = "0"
PAGE = 50_000  # the most that search_runs gives at a time


def rows_of(i: int) -> dict[str, list[tuple]]:
    run, start = uuid.UUID(int=i, version=4).hex, 1_700_000_000_000 + i * 1000
    mean = 1e7 * (1 + i % 7 / 100)
    parameters = {"model_size": SIZES[i % 4], "context_length": 128 << (i // 4 % 3),
                  "precision": "fp32" if i % 24 < 12 else "bf16", "batch_size": 2}
    return {
        "runs": [(run, f"run-{i}", "LOCAL", "", "", "ann", "FINISHED", start, start + 900, None, "", "active",
                  f"/artifacts/{run}", EXPERIMENT)],
        "params": [(key, str(value), run) for key, value in parameters.items()],
        "metrics": [(f"{phase}_mean_ns", mean, start, run, 0, 0) for phase in PHASES],
        "latest_metrics": [(f"{phase}_mean_ns", mean, start, 0, 0, run) for phase in PHASES],
        "tags": [("card", "A", run)],
    }


INSERTS = {
    "runs": "run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, "
            "deleted_time, source_version, lifecycle_stage, artifact_uri, experiment_id",
    "params": "key, value, run_uuid",
    "metrics": "key, value, timestamp, run_uuid, step, is_nan",
    "latest_metrics": "key, value, timestamp, step, is_nan, run_uuid",
    "tags": "key, value, run_uuid",
}


def fill(file: pathlib.Path, runs: int) -> None:
    database = sqlite3.connect(file)
    database.execute("PRAGMA synchronous = OFF")
    for first in range(1, runs + 1, 1000):
        batch = [rows_of(i) for i in range(first, min(first + 1000, runs + 1))]
        for table, columns in INSERTS.items():
            places = ", ".join("?" * len(columns.split(",")))
            database.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})",
                                 [row for rows in batch for row in rows[table]])
    database.commit()
    database.close()


def newest(store: SqlAlchemyStore) -> int:
    return len(store.search_runs([EXPERIMENT], "params.model_size = 'small' and params.precision = 'bf16'",
                                 ViewType.ACTIVE_ONLY, 50, ["attributes.start_time DESC"]))


def means(store: SqlAlchemyStore) -> dict[str, float]:
    """There is no question for it: every run is fetched."""
    sums: dict[str, list[float]] = {}
    token = None
    while True:
        page = store.search_runs([EXPERIMENT], "", ViewType.ACTIVE_ONLY, PAGE, page_token=token)
        for run in page:
            one = sums.setdefault(run.data.params["model_size"], [0, 0])
            one[0] += run.data.metrics["step_mean_ns"]
            one[1] += 1
        token = page.token
        if not token:
            return {size: total / count for size, (total, count) in sums.items()}


NEWEST_SQL = """
SELECT runs.run_uuid,
  (SELECT value FROM latest_metrics AS m WHERE m.run_uuid = runs.run_uuid AND m.key = 'step_mean_ns')
FROM runs JOIN params AS a ON a.run_uuid = runs.run_uuid AND a.key = 'model_size' AND a.value = 'small'
JOIN params AS b ON b.run_uuid = runs.run_uuid AND b.key = 'precision' AND b.value = 'bf16'
WHERE runs.experiment_id = 0 AND runs.lifecycle_stage = 'active' ORDER BY runs.start_time DESC LIMIT 50"""
MEANS_SQL = """
SELECT params.value, avg(m.value) FROM params JOIN latest_metrics AS m ON m.run_uuid = params.run_uuid
WHERE params.key = 'model_size' AND m.key = 'step_mean_ns' GROUP BY 1"""


def main() -> None:
    folder, runs = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    file = folder / "mlflow.db"
    store = SqlAlchemyStore(f"sqlite:///{file}", str(folder / "artifacts"))
    fill(file, runs)
    database = sqlite3.connect(file)
    questions = {
        "newest": lambda: newest(store), "means": lambda: means(store),
        "newest by SQL": lambda: len(database.execute(NEWEST_SQL).fetchall()),
        "means by SQL": lambda: dict(database.execute(MEANS_SQL).fetchall()),
    }
    print(json.dumps({"version": mlflow.__version__, "bytes": file.stat().st_size}), flush=True)
    for line in sys.stdin:
        begin = time.monotonic()
        answer = questions[line.strip()]()
        print(json.dumps({"seconds": time.monotonic() - begin, "answer": answer}), flush=True)


if __name__ == "__main__":
    main()
