"""Drawing: OpenGL contexts, the scene in the foreground, and its matting into video.

- `gl`: backends and contexts.
- `scene`: draws a scene, whole or its foreground alone, with supersampling.
- `views`: what an environment shows: `StandardView`, `NaturalView`, `PaperView`.
- `matting`: coverage and compositing.
"""
