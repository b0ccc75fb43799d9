"""The reading room: the Gradio face of the program. Nothing outside this folder imports gradio.

It talks to a `lift_app.reader.Reader` and knows nothing of models, files or tables.
"""
