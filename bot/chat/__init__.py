"""What a request leads to, in no platform's terms: commands, search sessions, and the reply to show."""
