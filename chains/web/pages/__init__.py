"""Pages in HTML about the log, its chains and entries, for people who have nothing but a browser."""
