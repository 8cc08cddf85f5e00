"""The commands of ``anchorline``, grouped by who uses them; ``cli`` puts them together."""
