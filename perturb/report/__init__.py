"""The report of an experiment: findings, sentences, tables and figures on one page."""
