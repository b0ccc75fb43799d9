"""Runs: a suite asked in every arm, kept answer by answer, and summed up with intervals."""
