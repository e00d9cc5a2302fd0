"""How the bundled model is taught: data, stages and losses. Needs the extra ``training``."""
