"""The web layer: thin asynchronous shells over ``chains``, each a raw ASGI application."""
