"""Measurements: what the arms are worth on the sample book, and whether citations hold."""
