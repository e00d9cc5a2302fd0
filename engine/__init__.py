"""The search engine behind the bots, the command line and the page."""
