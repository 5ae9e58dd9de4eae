"""The leaderboard: makes a static site or tables from results files.

- `board`: computes tabs, rows, ranks and intervals from entries.
- `site`: the pages; `overview_charts`, `entry_charts`: their plots; `svg`: how plots are drawn.
- `tables`: the same as text and Markdown.
"""
