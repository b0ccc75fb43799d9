"""Checks that readers of the papers ask for: overlap, synthetic questions, domains."""
