"""`python -m lift_app.cli` is the `lift` command."""

from lift_app.cli.main import main

main(prog_name="lift")
