"""The procedural clips of the `embedded` video set, from a seed to pixels by integer arithmetic alone.

Data flows one way: `integer_noise` → `dead_leaves`, `shapes` → `families` → `scene`; `..generate` is the door.
"""
