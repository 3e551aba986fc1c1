"""The format of benchmark files: layouts, the attributes that all share, a writer and a reader."""
