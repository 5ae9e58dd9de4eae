"""The procedural clips of the `embedded` video set, from a seed to pixels by integer arithmetic alone.

`generate` is the door: a clip's id and a size in, frames out. Behind it, `integer_noise` and `shapes` are the ground;
`dead_leaves`, `terrain`, `palettes` and `actors` make what is seen, `scene` moves a camera past it, `studio` and
`families` compose.
"""
