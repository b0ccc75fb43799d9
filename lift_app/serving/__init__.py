"""Answers by an OpenAI-compatible server, as vLLM is one, instead of the model of this process."""
