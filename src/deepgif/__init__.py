"""DeepGIF: a self-hosted chat bot and search engine that finds GIFs by what they show.

The folders beside this file are links to those at the top of the repository, so that an import, an installed file and a
path in the repository have one name: ``deepgif.engine.search`` is ``engine/search/``.
"""
