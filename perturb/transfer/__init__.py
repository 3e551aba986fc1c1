"""Files from here to there: served, found, downloaded whole."""
