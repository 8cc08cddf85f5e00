"""Pictures of anchors, chains and the thread: pure functions from plain values to SVG.

``chains.web.pages`` shows them.
"""
