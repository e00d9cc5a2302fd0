"""The chat adapters: acknowledge, ask the engine, show the answer."""
