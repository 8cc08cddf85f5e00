"""Bitcoin: networks, transactions, wallet and the sources that answer for the best chain."""
