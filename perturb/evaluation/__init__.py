"""Statistics, tables, figures and a page of scored runs."""
