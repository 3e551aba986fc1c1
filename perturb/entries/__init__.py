"""Leaderboard entries: their format, the rules that they must follow, and the entries that come with the package."""
