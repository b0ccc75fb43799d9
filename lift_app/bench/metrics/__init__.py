"""Metrics: what an answer is worth beside the gold answers, one metric a file."""
