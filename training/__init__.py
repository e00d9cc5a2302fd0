"""How the bundled models are trained and evaluated. Needs the extra ``training``."""
