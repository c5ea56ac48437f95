"""GitHub as a forge: a small client, and each proposal type as calls that are undone or said to stay."""
