"""The report of an experiment: findings, sentences, tables, figures, one page."""
