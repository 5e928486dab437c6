"""The command `compai`: one thin module per command."""
