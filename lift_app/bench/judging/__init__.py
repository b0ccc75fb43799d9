"""Judging: another model says whether answers are right, as the papers' GPT-4 score does."""
