"""Entries of a leaderboard: their format, the rules that they keep, and those that come with the package."""
