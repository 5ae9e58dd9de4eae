"""The procedural clips of the `embedded` video set, from a seed to pixels by integer arithmetic alone.

`generate` is the entry point: it turns a clip's id and a size into frames. `integer_noise` and `shapes` are the basis;
`dead_leaves`, `terrain`, `palettes` and `actors` draw what is seen; `scene` moves a camera past it; `studio` and
`families` compose the scenes.
"""
