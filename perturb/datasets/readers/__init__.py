"""Ground truths that are read from their authors' files: one file a format."""
