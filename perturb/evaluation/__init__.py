"""From scored runs to statistics, tables, figures and a page."""
