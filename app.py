"""Starts the reading room: `python app.py`, and what Hugging Face Spaces runs."""

from lift_app.cli.output import close_on_sigterm
from lift_app.space.keeper import kept
from lift_app.space.place import settings_here
from lift_app.space.zero import lent_gpu
from lift_app.ui.app import open_reader, serve

if __name__ == "__main__":
    close_on_sigterm()
    gpu, settings = lent_gpu(), settings_here()
    with kept(settings, print), open_reader(settings, print, gpu) as reader:
        serve(reader, reader.settings, on_ready=lambda url: print(f"LIFT Reader: {url}"))  # noqa: T201
