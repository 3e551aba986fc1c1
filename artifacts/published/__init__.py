"""Published studies; the installed package brings what mini's files are made from, and its entries."""
