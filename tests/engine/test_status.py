"""Where a lift stands, as every window is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tiny_model import BARE

from lift_app.engine.lift_job import LOOKING
from lift_app.engine.status import job_status
from lift_app.lifting.progress import Progress
from lift_app.reader import Reader
from lift_app.settings import Settings

SHORT = {"epochs": 1, "segment_length": 128, "stride": 128, "rank": 2, **BARE}


def test_what_stands_beside_the_last_step_is_over_when_it_is_checked(
    tiny_settings: Settings, story: Path
) -> None:
    with Reader(tiny_settings) as reader:
        list(reader.tune(reader.add(story)["id"], values=SHORT))
        (job,) = reader.library.jobs.list()
        jobs = reader.library.jobs
        jobs.event(job.id, Progress("training", 4, 4, eta_seconds=9.0, note=LOOKING).to_json())
        going = replace(job, state="running")
        status = job_status(reader.library, going)
        assert (status["note"], status["eta_seconds"]) == (LOOKING, 9.0)
        jobs.event(job.id, Progress("checking", 0, 2).to_json())
        status = job_status(reader.library, going)
        assert (status["note"], status["eta_seconds"]) == (None, None)
        assert status["step"] == 4
