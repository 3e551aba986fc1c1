"""Execution of runs on this machine or on remote workers: units of work, scheduling, time limits, progress display."""
