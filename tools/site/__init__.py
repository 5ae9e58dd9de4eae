"""The documentation site: `python -m tools.site` builds it from `staging`, `task_pages` and `pictures`."""
