"""Animated scenes drawn from Noto Color Emoji.

``scene`` says what a random scene can be, a subject, what it does and where, and how people describe it; ``render``
draws it, for models to learn from. ``chat`` holds the GIFs that ship with the engine, made by hand:
``python -m deepgif.training.scenes FOLDER`` writes them.
"""
