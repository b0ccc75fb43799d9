"""The reading room: the Gradio face of the program. Nothing outside this folder imports gradio.

It talks to a `lift_app.reader.Reader` and knows nothing of models, files or tables.
"""

from lift_app.ui.stubs import without_stubs

with without_stubs():
    import gradio  # noqa: F401  before any module here does
