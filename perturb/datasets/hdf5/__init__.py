"""The format of benchmark files: layouts, common attributes, a writer and a reader."""
