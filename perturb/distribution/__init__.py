"""Distribution of benchmark files: publishing with an index and a card, exporting, serving, downloading."""
