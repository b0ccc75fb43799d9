"""Figures 3 and 4 of the papers: what a length costs, and where a needle is found."""
