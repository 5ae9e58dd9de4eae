"""Where clips come from: what is found, fetched, decoded and hashed before any environment plays it.

Nothing here is on the path of a step; `backgrounds` reaches it by one late import, at a clip that is not prepared yet.
"""
