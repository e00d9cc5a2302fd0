"""The GIFs that ship with the engine: reactions and what else people send in a chat.

``tables`` say by hand what each GIF shows and how it is described, ``table`` reads them, ``motion``, ``effects``,
``grounds`` and ``lettering`` are what they are made of, ``draw`` renders them and ``write`` fills the folder.
"""
