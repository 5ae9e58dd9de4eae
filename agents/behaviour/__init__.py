"""Behaviour: actors and critics, learned in imagination and from replay, and planning."""
