"""Drawing: OpenGL contexts, the foreground of the scene, and its compositing over video.

- `gl`, `egl_devices`: the choice of OpenGL's backend and device, and what to do where it does not start.
- `framebuffer`, `current`: contexts, and which of them is current.
- `scene`: draws a scene, whole or only its foreground, with supersampling.
- `views`: turns a physics state into an observation, with one class for each kind of observation.
- `matting`: coverage and compositing.
"""
