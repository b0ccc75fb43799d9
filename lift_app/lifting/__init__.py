"""Book -> Adapter: segments, recipe, key, batches, trainer, checkpoints, progress."""
