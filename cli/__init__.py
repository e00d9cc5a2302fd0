"""The ``deepgif`` command. Besides ``bot``, the only place that reads settings."""
