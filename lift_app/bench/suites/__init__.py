"""Suites: the papers' benchmarks as documents with questions, one loader a file."""
