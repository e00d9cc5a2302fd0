"""Animated scenes drawn from Noto Color Emoji: a subject, what it does and where, with words for all of it.

``scene`` says what scenes there are and how people describe them, ``render`` draws them, ``catalogue`` picks those
that ship with the engine and writes them as GIFs. ``python -m deepgif.training.scenes FOLDER`` writes the catalogue.
"""
