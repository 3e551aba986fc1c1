"""Ground truths that are read from their authors' files, one module per format."""
