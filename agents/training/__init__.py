"""Runs: configuration, collection, replay, the training loop, checkpoints, logs, and loading."""
