"""Commands about the machine: models, doctor, serve."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from lift_app.cli.output import (
    StatusLine,
    close_on_sigterm,
    json_option,
    note,
    print_json,
    reports_errors,
    table,
)
from lift_app.cli.questions import server_option, with_server
from lift_app.reader import Reader
from lift_app.settings import Settings


@click.command("models")
@click.option("--fetch", is_flag=True, help="Fetch a model: the chosen one, or --model.")
@click.option("--model", help="Which one to fetch.")
@json_option
@reports_errors
def models_command(fetch: bool, model: str | None, as_json: bool) -> None:
    """List base models, or fetch one."""
    with Reader() as reader:
        if fetch or model:
            line = StatusLine()
            for event in reader.fetch_model(model):
                if as_json:
                    print_json(event)
                elif "message" in event:
                    line.show(event["message"], event["fraction"])
            line.end()
            return
        models = reader.models()
    if as_json:
        print_json(models)
        return
    rows = [
        [
            "*" if entry["chosen"] else "",
            entry["name"],
            f"{entry['parameters'] / 1e9:.2f} B" if entry["parameters"] else "?",
            f"{entry['window']:,}" if entry["window"] else "?",
            f"{entry['minimum_memory_gb']:g} GB" if entry["minimum_memory_gb"] else "?",
            entry["licence"],
            "here" if entry["present"] else "",
            ", ".join(entry["starts"]),
        ]
        for entry in models
    ]
    header = ["", "name", "weights", "window", "memory", "licence", "present", "starts"]
    click.echo(table(rows, header))


@click.command("doctor")
@click.option("--repair", is_flag=True, help="Mend the library first, where it is damaged.")
@json_option
@reports_errors
def doctor_command(repair: bool, as_json: bool) -> None:
    """Check the library, the model and this machine."""
    from lift_app.doctor import examine

    if repair:
        from lift_app.engine.recovery import repair as repair_library

        repair_library(Settings.from_environment())
    with Reader() as reader:
        findings = examine(reader)
    if as_json:
        print_json({"ok": all(f.ok for f in findings), "findings": [vars(f) for f in findings]})
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.ok else 'BAD '} {finding.what}: {finding.says}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)


@click.command("serve")
@click.option("--port", type=int, help="Port; LIFT_PORT or 7860 by default.")
@click.option("--host", help="Address to bind to; 127.0.0.1 by default.")
@click.option(
    "--shared/--one-shelf", default=None, help="A shelf for each visitor; LIFT_SHARED by default."
)
@server_option
@click.option("--open/--no-open", "open_browser", default=False, help="Open the browser.")
@reports_errors
def serve_command(
    port: int | None,
    host: str | None,
    shared: bool | None,
    server: str | None,
    open_browser: bool,
) -> None:
    """Open the app."""
    from lift_app.space.keeper import kept
    from lift_app.ui.app import open_reader, serve

    settings = with_server(server)
    settings = replace(
        settings,
        port=settings.port if port is None else port,
        host=settings.host if host is None else host,
        shared=settings.shared if shared is None else shared,
    )
    close_on_sigterm()
    with kept(settings, note), open_reader(settings, note) as reader:
        serve(
            reader,
            reader.settings,
            open_browser=open_browser,
            on_ready=lambda url: note(f"LIFT Reader is open at {url} (Ctrl-C closes it)"),
        )
