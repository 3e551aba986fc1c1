"""An experiment as run directories: which runs it needs, what identifies each, and how each is built."""
