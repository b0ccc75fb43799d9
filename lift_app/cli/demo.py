"""The command for a stage: demo."""

from __future__ import annotations

from dataclasses import replace

import click

from lift_app.cli.lifts import progress_line
from lift_app.cli.output import (
    StatusLine,
    close_on_sigterm,
    json_option,
    note,
    print_json,
    reports_errors,
)
from lift_app.recording import HOW_TO_MAKE, Recording
from lift_app.settings import Settings


@click.command("demo")
@click.option("--record", is_flag=True, help="Learn the sample book anew and keep the recording.")
@click.option("--port", type=int, help="Port; LIFT_PORT or 7860 by default.")
@click.option("--open/--no-open", "open_browser", default=False, help="Open the browser.")
@json_option
@reports_errors
def demo_command(record: bool, port: int | None, open_browser: bool, as_json: bool) -> None:
    """Open the app with the sample book, which is learned already.

    Its adapter comes with the project, and so does the record of its training, which the app can
    replay: no GPU and no waiting. There is one shelf, also with LIFT_SHARED. With --record the
    sample book is learned here, and the adapter and the record are replaced by those of this lift.
    """
    close_on_sigterm()
    settings = Settings.from_environment()
    if record:
        _record(settings, as_json=as_json)
        return
    settings = replace(settings, port=settings.port if port is None else port, shared=False)
    _serve(settings, open_browser=open_browser)


def _record(settings: Settings, *, as_json: bool) -> None:
    from lift_app.recorder import record

    line = StatusLine()
    for event in record(settings):
        if as_json:
            print_json(event)
        elif event["stage"] == "recorded":
            line.end()
            click.echo(f"recorded: {event['folder']}, {event['bytes'] / 1e6:.1f} MB")
        else:
            line.show(progress_line(event), event.get("fraction"))


def _serve(settings: Settings, *, open_browser: bool) -> None:
    from lift_app.ui.app import open_reader, serve

    with open_reader(settings, note) as reader:
        for _ in reader.fetch_model():
            pass
        book = reader.add_sample()
        if reader.recording(book["id"]) is None:
            had = "is out of date" if Recording.read() else "is missing"
            note(f"The recording of the sample book {had}; `{HOW_TO_MAKE}` makes it.")
        serve(
            reader,
            reader.settings,
            open_browser=open_browser,
            on_ready=lambda url: note(
                f"The sample book is open at {url}?book={book['id']} (Ctrl-C closes it)"
            ),
        )
