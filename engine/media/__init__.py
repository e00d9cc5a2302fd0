"""Downloads, validates and decodes GIFs."""
