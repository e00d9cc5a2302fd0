"""What is measured, against what, in one run. ``README.md`` has the commands and figures."""
