"""The leaderboard: results files in, a static site or a table out.

- `board`: what is computed from entries: views, rows, ranks, intervals.
- `site`: the pages; `overview_charts`, `entry_charts`: their plots; `svg`: how plots are drawn.
- `tables`: the same as text and Markdown.
"""
